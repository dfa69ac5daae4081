//! Images and labels blended with others.

use super::image::channels_last;
use super::mixing::{Mixing, batch, blend, mixing_layer};
use super::{Config, Read, object};
use crate::error::{Error, Result};
use crate::ops::Generator;
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// In training, w · x + (1 − w) · x′ for each image, with x′ another one of the batch and w of the distribution Beta(α,
/// α), and the same of the labels; at other times x
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/mix_up/),
/// [paper](https://arxiv.org/abs/1710.09412)).
///
/// Default: α = 0.2.
///
/// Inputs `(batch, height, width, channels)` of any dtype and, if they are mixed too, labels `(batch, classes)` of a
/// floating-point dtype, such as one-hot ones; outputs of the same shapes. Integer images become float32, and so it
/// computes under mixed precision. No weights. As a layer it changes what a model sees and not what the loss compares
/// with; for that [`Trainer::mixing`](crate::train::Trainer::mixing) takes it. The random numbers are the model's, so
/// they follow from its seed and the step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct MixUp {
    alpha: f64,
    seed: Value,
}

impl Default for MixUp {
    fn default() -> Self {
        MixUp::new(0.2)
    }
}

impl MixUp {
    /// The distribution's α, above 0 and at most 1: the larger, the more is mixed.
    pub fn new(alpha: f64) -> MixUp {
        MixUp { alpha, seed: Value::Null }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<MixUp> {
        channels_last(config)?;
        let seed = config.find("seed").cloned().unwrap_or_default();
        Ok(MixUp { alpha: config.number("alpha", 0.2)?, seed })
    }

    fn check(&self) -> Result<()> {
        if self.alpha > 0.0 && self.alpha <= 1.0 {
            return Ok(());
        }
        Err(Error::Config(format!("argument `alpha`: expected a number in (0, 1], got {}", self.alpha)))
    }
}

impl Mixing for MixUp {
    fn mix(&self, generator: &Generator, images: &Tensor, labels: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        self.check()?;
        let n = batch(images, labels)?;
        let (weight, order) = (generator.beta(n, [self.alpha; 2])?, generator.permutation(n)?);
        let labels = labels.map(|labels| blend(labels, &order, &weight)).transpose()?;
        Ok((blend(images, &order, &weight)?, labels))
    }
}

mixing_layer!(MixUp, MixUp::check, |mix: &MixUp| object(
    json!({ "alpha": mix.alpha, "seed": mix.seed, "data_format": "channels_last" })
));
