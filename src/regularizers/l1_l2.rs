//! The sum of absolute values and that of squares.

use super::{Regularizer, factor, norms, number};
use crate::error::Result;
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// l1 · Σ |x| + l2 · Σ x²; by default both factors are 0
/// ([Keras](https://keras.io/api/layers/regularizers/#l1l2-class)).
#[derive(Clone, Copy, Debug)]
pub struct L1L2 {
    l1: f64,
    l2: f64,
}

impl L1L2 {
    /// A penalty with these factors.
    pub fn new(l1: f64, l2: f64) -> L1L2 {
        L1L2 { l1, l2 }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<L1L2> {
        Ok(L1L2 { l1: number(config, "l1", 0.0)?, l2: number(config, "l2", 0.0)? })
    }
}

impl Default for L1L2 {
    fn default() -> Self {
        L1L2::new(0.0, 0.0)
    }
}

impl Regularizer for L1L2 {
    fn class_name(&self) -> &'static str {
        "L1L2"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("l1".into(), self.l1.into()), ("l2".into(), self.l2.into())])
    }

    fn check(&self) -> Result<()> {
        factor("l1", self.l1)?;
        factor("l2", self.l2)
    }

    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        norms(x, self.l1, self.l2)
    }

    fn boxed(&self) -> Box<dyn Regularizer> {
        Box::new(*self)
    }
}
