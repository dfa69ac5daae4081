//! Images from nearer or further away at random.

use super::image::{Factor, channels_last, float_images};
use super::warp::{Warp, warp_setters};
use super::{Call, Config, Layer, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::ops::Motion;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// In training, each image stretched about its middle, so that it shows 1 + f of its height and width, with f uniform
/// in the factors; at other times as it is
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_zoom/)).
///
/// Without a `width_factor`, which is the default, both have one number and proportions stay.
///
/// Input `(batch, height, width, channels)` of any dtype, output of the same shape; integers become float32, and so it
/// computes under mixed precision. No weights. The random numbers are the model's, so they follow from its seed and the
/// step; a `seed` in a Keras config is kept and not used. No gradient flows through it: it stands before the first
/// weights, and what is trained before it ends in [`Error::NoGradient`](crate::Error::NoGradient).
#[derive(Clone, Debug)]
pub struct RandomZoom {
    height: Factor,
    width: Option<Factor>,
    warp: Warp,
}

impl RandomZoom {
    /// From −`factor`, which zooms in, to `factor`, which zooms out, or between two numbers; above −1, at most 1.
    pub fn new(height_factor: impl Into<Factor>) -> RandomZoom {
        RandomZoom { height: height_factor.into(), width: None, warp: Warp::default() }
    }

    /// A number of its own for the width.
    pub fn width_factor(mut self, factor: impl Into<Factor>) -> Self {
        self.width = Some(factor.into());
        self
    }

    warp_setters!();

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RandomZoom> {
        channels_last(config)?;
        let (height, width) = (Factor::required(config, "height_factor")?, Factor::read(config, "width_factor")?);
        Ok(RandomZoom { height, width, warp: Warp::read(config)? })
    }
}

impl Layer for RandomZoom {
    fn class_name(&self) -> &'static str {
        "RandomZoom"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        for (name, factor) in [("height_factor", Some(self.height)), ("width_factor", self.width)] {
            let Some(factor) = factor else { continue };
            factor.check(name, [-1.0, 1.0])?;
            if factor.range(-1.0)[0] <= -1.0 {
                let got = factor.serialized();
                return Err(Error::Config(format!("argument `{name}`: expected numbers above -1, got {got}")));
            }
        }
        self.warp.check(float_images(one(inputs)?)?)
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let around_one = |factor: Factor| factor.range(-1.0).map(|f| 1.0 + f);
        let motion = Motion::Zoom { height: around_one(self.height), width: self.width.map(around_one) };
        self.warp.forward(call, inputs[0], motion)
    }

    fn config(&self) -> Config {
        let (height, width) = (self.height.serialized(), self.width.map(Factor::serialized));
        self.warp.write(object(json!({ "height_factor": height, "width_factor": width })))
    }

    fn full_precision(&self) -> bool {
        true
    }
}
