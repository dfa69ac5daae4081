//! The sum of squares.

use super::{Regularizer, factor, norms, number};
use crate::error::Result;
use crate::tensor::Tensor;
use serde_json::{Map, Value};

/// l2 · Σ x²; by default l2 is 0.01 ([Keras](https://keras.io/api/layers/regularizers/#l2-class)).
#[derive(Clone, Copy, Debug)]
pub struct L2 {
    l2: f64,
}

impl L2 {
    /// A penalty with this factor.
    pub fn new(l2: f64) -> L2 {
        L2 { l2 }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<L2> {
        Ok(L2 { l2: number(config, "l2", 0.01)? })
    }
}

impl Default for L2 {
    fn default() -> Self {
        L2::new(0.01)
    }
}

impl Regularizer for L2 {
    fn class_name(&self) -> &'static str {
        "L2"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("l2".into(), self.l2.into())])
    }

    fn check(&self) -> Result<()> {
        factor("l2", self.l2)
    }

    fn penalty(&self, x: &Tensor) -> Result<Tensor> {
        norms(x, 0.0, self.l2)
    }

    fn boxed(&self) -> Box<dyn Regularizer> {
        Box::new(*self)
    }
}
