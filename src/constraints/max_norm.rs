//! Norms up to a greatest one.

use super::{Constraint, bound, check_axes, norms, number, rescaled};
use crate::axes::Axes;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// w · min(‖w‖, max_value) / (1e-7 + ‖w‖), by default with `max_value` 2 and the norms over axis 0
/// ([Keras](https://keras.io/api/layers/constraints/#maxnorm-class),
/// [paper](https://jmlr.org/papers/v15/srivastava14a.html)).
#[derive(Clone, Debug)]
pub struct MaxNorm {
    max_value: f64,
    axis: Axes,
}

impl MaxNorm {
    /// Norms up to this one.
    pub fn new(max_value: f64) -> MaxNorm {
        MaxNorm { max_value, axis: 0.into() }
    }

    /// The axes that a norm is taken over; by default 0, the inputs of each unit of a `Dense` kernel. For a kernel of a
    /// convolution `[0, 1, 2]` is each filter.
    pub fn axis(self, axis: impl Into<Axes>) -> MaxNorm {
        MaxNorm { axis: axis.into(), ..self }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<MaxNorm> {
        Ok(MaxNorm { max_value: number(config, "max_value", 2.0)?, axis: Axes::read(config.get("axis"), "axis", 0)? })
    }
}

impl Default for MaxNorm {
    fn default() -> Self {
        MaxNorm::new(2.0)
    }
}

impl Constraint for MaxNorm {
    fn class_name(&self) -> &'static str {
        "MaxNorm"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("max_value".into(), self.max_value.into()), ("axis".into(), self.axis.serialized())])
    }

    fn check(&self, shape: &Shape) -> Result<()> {
        bound("max_value", self.max_value, 0.0)?;
        check_axes(&self.axis, shape)
    }

    fn apply(&self, weight: &Tensor) -> Result<Tensor> {
        let norms = norms(weight, self.axis.list())?;
        rescaled(weight, &norms.clip(0.0, self.max_value)?, &norms)
    }

    fn boxed(&self) -> Box<dyn Constraint> {
        Box::new(self.clone())
    }
}
