//! The rectified linear unit as a layer.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// min(x, max_value) above `threshold`, else negative_slope · (x − threshold)
/// ([Keras](https://keras.io/api/layers/activation_layers/relu/)).
///
/// Input of any shape and a floating-point dtype, output of the same. Defaults: no `max_value`, the slope and the
/// threshold
/// 0. No weights.
#[derive(Clone, Copy, Debug)]
pub struct ReLU {
    max_value: Option<f64>,
    negative_slope: f64,
    threshold: f64,
}

impl Default for ReLU {
    fn default() -> Self {
        ReLU::new()
    }
}

impl ReLU {
    /// max(x, 0).
    pub fn new() -> ReLU {
        ReLU { max_value: None, negative_slope: 0.0, threshold: 0.0 }
    }

    /// The greatest output; by default there is none.
    pub fn max_value(mut self, max_value: f64) -> Self {
        self.max_value = Some(max_value);
        self
    }

    /// The slope up to the threshold; by default 0.
    pub fn negative_slope(mut self, negative_slope: f64) -> Self {
        self.negative_slope = negative_slope;
        self
    }

    /// Where x begins to pass; by default 0.
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<ReLU> {
        Ok(ReLU {
            max_value: config.find("max_value").map(|_| config.number("max_value", 0.0)).transpose()?,
            negative_slope: config.number("negative_slope", 0.0)?,
            threshold: config.number("threshold", 0.0)?,
        })
    }
}

impl Layer for ReLU {
    fn class_name(&self) -> &'static str {
        "ReLU"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        let arguments = [
            ("max_value", self.max_value.unwrap_or(0.0)),
            ("negative_slope", self.negative_slope),
            ("threshold", self.threshold),
        ];
        if let Some((name, value)) = arguments.into_iter().find(|(_, value)| !(0.0..f64::INFINITY).contains(value)) {
            return Err(Error::Config(format!("argument `{name}`: expected a non-negative number, got {value}")));
        }
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let most = self.max_value.unwrap_or(f64::INFINITY);
        let y = match (self.negative_slope, self.threshold) {
            (0.0, 0.0) if self.max_value.is_none() => inputs[0].relu()?,
            (slope, threshold) => inputs[0].rectify(slope, most, threshold)?,
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }))
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}
