//! Norms of 1.

use super::{Constraint, EPSILON, check_axes, norms};
use crate::axes::Axes;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// w / (1e-7 + ‖w‖), by default with the norms over axis 0
/// ([Keras](https://keras.io/api/layers/constraints/#unitnorm-class)).
#[derive(Clone, Debug)]
pub struct UnitNorm {
    axis: Axes,
}

impl UnitNorm {
    /// Norms of 1.
    pub fn new() -> UnitNorm {
        UnitNorm { axis: 0.into() }
    }

    /// The axes that a norm is taken over; by default 0, the inputs of each unit of a `Dense` kernel. For a kernel of a
    /// convolution `[0, 1, 2]` is each filter.
    pub fn axis(self, axis: impl Into<Axes>) -> UnitNorm {
        UnitNorm { axis: axis.into() }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<UnitNorm> {
        Ok(UnitNorm { axis: Axes::read(config.get("axis"), "axis", 0)? })
    }
}

impl Default for UnitNorm {
    fn default() -> Self {
        UnitNorm::new()
    }
}

impl Constraint for UnitNorm {
    fn class_name(&self) -> &'static str {
        "UnitNorm"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("axis".into(), self.axis.serialized())])
    }

    fn check(&self, shape: &Shape) -> Result<()> {
        check_axes(&self.axis, shape)
    }

    fn apply(&self, weight: &Tensor) -> Result<Tensor> {
        weight.div(&norms(weight, self.axis.list())?.add_scalar(EPSILON)?)
    }

    fn boxed(&self) -> Box<dyn Constraint> {
        Box::new(self.clone())
    }
}
