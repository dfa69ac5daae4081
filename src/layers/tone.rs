//! What the layers share that change the values of images at random: a factor, and what values lie between.

use super::image::{Factor, channels_last, float_images};
use super::{Config, Read, Spec, object, one};
use crate::error::{Error, Result};
use serde_json::{Value, json};

/// Their arguments.
#[derive(Clone, Debug)]
pub struct Tone {
    pub factor: Factor,
    pub value_range: [f64; 2],
    pub seed: Value,
}

impl Tone {
    /// Values from 0 to 255.
    pub fn new(factor: impl Into<Factor>) -> Tone {
        Tone { factor: factor.into(), value_range: [0.0, 255.0], seed: Value::Null }
    }

    /// The arguments of a config, with the default factor that the layer has, if it has one.
    pub fn read(config: &Config, default: Option<Factor>) -> Result<Tone> {
        channels_last(config)?;
        let factor = match default {
            Some(default) => Factor::read(config, "factor")?.unwrap_or(default),
            None => Factor::required(config, "factor")?,
        };
        let value_range = match Factor::read(config, "value_range")? {
            None => [0.0, 255.0],
            Some(Factor::Two(low, high)) => [low, high],
            Some(Factor::One(x)) => {
                return Err(Error::Config(format!("argument `value_range`: expected a list of two numbers, got {x}")));
            }
        };
        Ok(Tone { factor, value_range, seed: config.find("seed").cloned().unwrap_or_default() })
    }

    /// Their config, the factor as the range that it stands for.
    pub fn config(&self, least: f64) -> Config {
        object(json!({
            "factor": self.factor.range(least),
            "value_range": self.value_range,
            "seed": self.seed,
            "data_format": "channels_last",
        }))
    }

    /// Checks them, with a factor from `least` to 1, and the input.
    pub fn check(&self, least: f64, inputs: &[Spec]) -> Result<Spec> {
        self.factor.check("factor", [least, 1.0])?;
        let [low, high] = self.value_range;
        if low < high && low.is_finite() && high.is_finite() {
            return float_images(one(inputs)?);
        }
        let message = "argument `value_range`: expected a lower and a higher number";
        Err(Error::Config(format!("{message}, got {low} and {high}")))
    }
}

/// The setter of a [`Tone`] that is the field `tone` of the layer.
macro_rules! tone_setters {
    () => {
        /// What the images' values lie between; by default 0 and 255.
        pub fn value_range(mut self, low: f64, high: f64) -> Self {
            self.tone.value_range = [low, high];
            self
        }
    };
}
pub(super) use tone_setters;
