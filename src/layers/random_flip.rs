//! Images mirrored at random.

use super::image::{channels_last, float_images};
use super::warp::Warp;
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::ops::{Interpolation, Motion};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// In training, each image mirrored with a probability of ½; at other times as it is
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_flip/)).
///
/// By default left and right are exchanged together with top and bottom, or neither, as Keras 3.15 does.
///
/// Input `(batch, height, width, channels)` of any dtype, output of the same shape; integers become float32, and so it
/// computes under mixed precision. No weights. The random numbers are the model's, so they follow from its seed and the
/// step; a `seed` in a Keras config is kept and not used. No gradient flows through it: it stands before the first
/// weights, and what is trained before it ends in [`Error::NoGradient`](crate::Error::NoGradient).
#[derive(Clone, Debug)]
pub struct RandomFlip {
    vertical: bool,
    horizontal: bool,
    seed: Value,
}

impl Default for RandomFlip {
    fn default() -> Self {
        RandomFlip::new()
    }
}

impl RandomFlip {
    /// Both ways together.
    pub fn new() -> RandomFlip {
        RandomFlip { vertical: true, horizontal: true, seed: Value::Null }
    }

    /// Left and right are exchanged.
    pub fn horizontal() -> RandomFlip {
        RandomFlip { vertical: false, ..RandomFlip::new() }
    }

    /// Top and bottom are exchanged.
    pub fn vertical() -> RandomFlip {
        RandomFlip { horizontal: false, ..RandomFlip::new() }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RandomFlip> {
        channels_last(config)?;
        let layer = match config.word("mode", "horizontal_and_vertical")?.as_str() {
            "horizontal" => RandomFlip::horizontal(),
            "vertical" => RandomFlip::vertical(),
            "horizontal_and_vertical" => RandomFlip::new(),
            other => {
                let message = "argument `mode`: expected one of horizontal, vertical, horizontal_and_vertical";
                return Err(Error::Config(format!("{message}, got {other}")));
            }
        };
        Ok(RandomFlip { seed: config.find("seed").cloned().unwrap_or_default(), ..layer })
    }
}

impl Layer for RandomFlip {
    fn class_name(&self) -> &'static str {
        "RandomFlip"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        Ok(vec![float_images(one(inputs)?)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let RandomFlip { vertical, horizontal, .. } = *self;
        let warp = Warp { interpolation: Interpolation::Nearest, ..Warp::default() };
        warp.forward(call, inputs[0], Motion::Flip { vertical, horizontal })
    }

    fn config(&self) -> Config {
        let mode = match (self.horizontal, self.vertical) {
            (true, false) => "horizontal",
            (false, true) => "vertical",
            _ => "horizontal_and_vertical",
        };
        object(json!({ "mode": mode, "seed": self.seed, "data_format": "channels_last" }))
    }

    fn full_precision(&self) -> bool {
        true
    }
}
