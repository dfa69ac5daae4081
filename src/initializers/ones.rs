//! Ones.

use super::Initializer;
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// 1 everywhere ([Keras](https://keras.io/api/layers/initializers/#ones-class)).
#[derive(Clone, Copy, Debug)]
pub struct Ones;

impl Ones {
    pub(super) fn from_config(_: &Map<String, Value>) -> Result<Ones> {
        Ok(Ones)
    }
}

impl Initializer for Ones {
    fn class_name(&self) -> &'static str {
        "Ones"
    }

    fn config(&self) -> Map<String, Value> {
        Map::new()
    }

    fn values(&self, shape: &Shape, _: &Philox) -> Result<Vec<f32>> {
        Ok(vec![1.0; shape.size()])
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}
