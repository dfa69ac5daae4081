//! The sum of absolute values.

use super::{Regularizer, factor, norms, number};
use crate::error::Result;
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// l1 · Σ |x|; by default l1 is 0.01 ([Keras](https://keras.io/api/layers/regularizers/#l1-class)).
#[derive(Clone, Copy, Debug)]
pub struct L1 {
    l1: f64,
}

impl L1 {
    /// A penalty with this factor.
    pub fn new(l1: f64) -> L1 {
        L1 { l1 }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<L1> {
        Ok(L1 { l1: number(config, "l1", 0.01)? })
    }
}

impl Default for L1 {
    fn default() -> Self {
        L1::new(0.01)
    }
}

impl Regularizer for L1 {
    fn class_name(&self) -> &'static str {
        "L1"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("l1".into(), self.l1.into())])
    }

    fn check(&self) -> Result<()> {
        factor("l1", self.l1)
    }

    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        norms(x, self.l1, 0.0)
    }

    fn boxed(&self) -> Box<dyn Regularizer> {
        Box::new(*self)
    }
}
