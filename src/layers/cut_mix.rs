//! Boxes of images from others.

use super::image::{Factor, channels_last, extents, random_boxes};
use super::mixing::{Mixing, batch, blend, mixing_layer};
use super::{Config, Read, object};
use crate::error::Result;
use crate::ops::Generator;
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// In training, each image with a box from another one of the batch, and w · y + (1 − w) · y′ of their labels, with w
/// of the distribution Beta(α, α); at other times as they are
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/cut_mix/),
/// [paper](https://arxiv.org/abs/1905.04899)).
///
/// The box has √(1 − w) of the height and of the width, at a uniform place, so that it covers 1 − w of the image but
/// for the pixels that it cuts. α is uniform in `factor`, one for the batch. Default: factor 1, which is from 0 to 1.
///
/// Inputs `(batch, height, width, channels)` of any dtype and, if they are mixed too, labels `(batch, classes)` of a
/// floating-point dtype, such as one-hot ones; outputs of the same shapes. Integer images become float32, and so it
/// computes under mixed precision. No weights. As a layer it changes what a model sees and not what the loss compares
/// with; for that [`Trainer::mixing`](crate::train::Trainer::mixing) takes it. The random numbers are the model's, so
/// they follow from its seed and the step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct CutMix {
    factor: Factor,
    seed: Value,
}

impl Default for CutMix {
    fn default() -> Self {
        CutMix::new(1.0)
    }
}

impl CutMix {
    /// With an α from 0 to `factor`, or between two numbers, all from 0 to 1.
    pub fn new(factor: impl Into<Factor>) -> CutMix {
        CutMix { factor: factor.into(), seed: Value::Null }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<CutMix> {
        channels_last(config)?;
        let seed = config.find("seed").cloned().unwrap_or_default();
        Ok(CutMix { factor: Factor::read(config, "factor")?.unwrap_or(Factor::One(1.0)), seed })
    }

    fn check(&self) -> Result<()> {
        self.factor.check("factor", [0.0, 1.0])
    }
}

impl Mixing for CutMix {
    fn mix(&self, generator: &Generator, images: &Tensor, labels: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        self.check()?;
        let n = batch(images, labels)?;
        // A distribution of α = 0 would be no distribution.
        let weight = generator.beta(n, self.factor.range(0.0).map(|alpha| alpha.max(1e-6)))?;
        let side = weight.rescale(-1.0, 1.0)?.sqrt()?.reshape([n, 1])?;
        let [start, end] = random_boxes(generator, &Tensor::concatenate(&[&side, &side], 1)?)?;
        let order = generator.permutation(n)?;
        let mask = start.box_mask(&end, extents(images))?;
        let labels = labels.map(|labels| blend(labels, &order, &weight)).transpose()?;
        Ok((mask.select(&images.gather(&order)?, images)?, labels))
    }
}

mixing_layer!(CutMix, CutMix::check, |mix: &CutMix| object(
    json!({ "factor": mix.factor.range(0.0), "seed": mix.seed, "data_format": "channels_last" })
));
