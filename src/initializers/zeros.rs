//! Zeros.

use super::Initializer;
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// 0 everywhere ([Keras](https://keras.io/api/layers/initializers/#zeros-class)).
#[derive(Clone, Copy, Debug)]
pub struct Zeros;

impl Zeros {
    pub(super) fn from_config(_: &Map<String, Value>) -> Result<Zeros> {
        Ok(Zeros)
    }
}

impl Initializer for Zeros {
    fn class_name(&self) -> &'static str {
        "Zeros"
    }

    fn config(&self) -> Map<String, Value> {
        Map::new()
    }

    fn values(&self, shape: &Shape, _: &Philox) -> Result<Vec<f32>> {
        Ok(vec![0.0; shape.size()])
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}
