//! No negative weights.

use super::Constraint;
use crate::error::Result;
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// max(w, 0) ([Keras](https://keras.io/api/layers/constraints/#nonneg-class)).
#[derive(Clone, Copy, Debug, Default)]
pub struct NonNeg;

impl NonNeg {
    /// The constraint.
    pub fn new() -> NonNeg {
        NonNeg
    }

    pub(super) fn from_config(_: &Map<String, Value>) -> Result<NonNeg> {
        Ok(NonNeg)
    }
}

impl Constraint for NonNeg {
    fn class_name(&self) -> &'static str {
        "NonNeg"
    }

    fn config(&self) -> Map<String, Value> {
        Map::new()
    }

    fn check(&self, _: &Shape) -> Result<()> {
        Ok(())
    }

    fn apply(&self, weight: &Tensor) -> Result<Tensor> {
        weight.relu()
    }

    fn boxed(&self) -> Box<dyn Constraint> {
        Box::new(*self)
    }
}
