//! Boxes of images erased at random.

use super::image::{Factor, extents, random_boxes};
use super::tone::{Tone, tone_setters};
use super::{Call, Config, Constant, Layer, Spec, WeightSpec};
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// In training, a box of an image erased, with a probability that is uniform in `factor`; at other times the image as
/// it is ([Keras](https://keras.io/api/layers/preprocessing_layers/image_augmentation/random_erasing/),
/// [paper](https://arxiv.org/abs/1708.04896)).
///
/// The squares of the box's height and width, as parts of the image's, are each uniform in `scale`, and its place is
/// uniform. Normal numbers times the upper value, or `fill_value`, are put there, cut off at `value_range`. Defaults:
/// factor 1 (which is from 0 to 1), scale from 0.02 to 0.33, values from 0 to 255.
///
/// Input `(batch, height, width, channels)` of any dtype, output of the same shape; integers become float32, and so it
/// computes under mixed precision. No weights. The random numbers are the model's, so they follow from its seed and the
/// step; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct RandomErasing {
    tone: Tone,
    scale: Factor,
    fill_value: Option<Constant>,
}

/// Keras's.
const SCALE: Factor = Factor::Two(0.02, 0.33);

impl Default for RandomErasing {
    fn default() -> Self {
        RandomErasing::new(1.0)
    }
}

impl RandomErasing {
    /// With a probability from 0 to `factor`, or between two numbers, all from 0 to 1.
    pub fn new(factor: impl Into<Factor>) -> RandomErasing {
        RandomErasing { tone: Tone::new(factor), scale: SCALE, fill_value: None }
    }

    /// What the squares of the box's sides lie between, as parts of the image's, from 0 to 1.
    pub fn scale(mut self, scale: impl Into<Factor>) -> Self {
        self.scale = scale.into();
        self
    }

    /// What is put into the box: a number, or one for each channel; by default random ones.
    pub fn fill_value(mut self, value: impl Into<Constant>) -> Self {
        self.fill_value = Some(value.into());
        self
    }

    tone_setters!();

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RandomErasing> {
        Ok(RandomErasing {
            tone: Tone::read(config, Some(Factor::One(1.0)))?,
            scale: Factor::read(config, "scale")?.unwrap_or(SCALE),
            fill_value: Constant::read(config, "fill_value")?,
        })
    }
}

impl Layer for RandomErasing {
    fn class_name(&self) -> &'static str {
        "RandomErasing"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = self.tone.check(0.0, inputs)?;
        self.scale.check("scale", [0.0, 1.0])?;
        self.fill_value.as_ref().map_or(Ok(()), |value| value.check("fill_value", &x))?;
        Ok(vec![x])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = call.float(inputs[0])?;
        if !call.training() {
            return Ok(Tensors::from_elem(x, 1));
        }
        let (generator, batch, [low, high]) = (call.generator()?, x.shape()[0], self.tone.value_range);
        let uniform = |width: usize, [low, high]: [f64; 2]| generator.uniform([batch, width], DType::F32, low, high);
        let sides = uniform(2, self.scale.range(0.0))?.sqrt()?;
        let [start, end] = random_boxes(generator, &sides)?;
        // A box that ends where it begins is none.
        let erases = uniform(1, [0.0, 1.0])?.less(&uniform(1, self.tone.factor.range(0.0))?)?;
        let mask = start.box_mask(&erases.select(&end, &start)?, extents(&x))?;
        let fill = match &self.fill_value {
            Some(value) => value.like(&x)?,
            None => generator.normal(x.shape(), x.dtype(), 0.0, high.abs())?,
        };
        Ok(Tensors::from_elem(mask.select(&fill.clip(low, high)?, &x)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = self.tone.config(0.0);
        config.insert("scale".into(), json!(self.scale.range(0.0)));
        config.insert("fill_value".into(), self.fill_value.as_ref().map_or(Value::Null, Constant::serialized));
        config
    }

    fn full_precision(&self) -> bool {
        true
    }
}
