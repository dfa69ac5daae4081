//! Norms between two.

use super::{Constraint, bound, check_axes, norms, number, rescaled};
use crate::axes::Axes;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// w · (rate · min(max(‖w‖, min_value), max_value) + (1 − rate) · ‖w‖) / (1e-7 + ‖w‖), by default with the bounds 0 and
/// 1, the rate 1, and the norms over axis 0 ([Keras](https://keras.io/api/layers/constraints/#minmaxnorm-class)).
#[derive(Clone, Debug)]
pub struct MinMaxNorm {
    min_value: f64,
    max_value: f64,
    rate: f64,
    axis: Axes,
}

impl MinMaxNorm {
    /// Norms between these two.
    pub fn new(min_value: f64, max_value: f64) -> MinMaxNorm {
        MinMaxNorm { min_value, max_value, rate: 1.0, axis: 0.into() }
    }

    /// How far a step goes: at 1, the default, all the way.
    pub fn rate(self, rate: f64) -> MinMaxNorm {
        MinMaxNorm { rate, ..self }
    }

    /// The axes that a norm is taken over; by default 0, the inputs of each unit of a `Dense` kernel. For a kernel of a
    /// convolution `[0, 1, 2]` is each filter.
    pub fn axis(self, axis: impl Into<Axes>) -> MinMaxNorm {
        MinMaxNorm { axis: axis.into(), ..self }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<MinMaxNorm> {
        Ok(MinMaxNorm {
            min_value: number(config, "min_value", 0.0)?,
            max_value: number(config, "max_value", 1.0)?,
            rate: number(config, "rate", 1.0)?,
            axis: Axes::read(config.get("axis"), "axis", 0)?,
        })
    }
}

impl Default for MinMaxNorm {
    fn default() -> Self {
        MinMaxNorm::new(0.0, 1.0)
    }
}

impl Constraint for MinMaxNorm {
    fn class_name(&self) -> &'static str {
        "MinMaxNorm"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([
            ("min_value".into(), self.min_value.into()),
            ("max_value".into(), self.max_value.into()),
            ("rate".into(), self.rate.into()),
            ("axis".into(), self.axis.serialized()),
        ])
    }

    fn check(&self, shape: &Shape) -> Result<()> {
        bound("min_value", self.min_value, 0.0)?;
        bound("max_value", self.max_value, self.min_value)?;
        bound("rate", self.rate, 0.0)?;
        check_axes(&self.axis, shape)
    }

    fn apply(&self, weight: &Tensor) -> Result<Tensor> {
        let norms = norms(weight, self.axis.list())?;
        let clipped = norms.clip(self.min_value, self.max_value)?;
        let desired = clipped.mul_scalar(self.rate)?.add(&norms.mul_scalar(1.0 - self.rate)?)?;
        rescaled(weight, &desired, &norms)
    }

    fn boxed(&self) -> Box<dyn Constraint> {
        Box::new(self.clone())
    }
}
