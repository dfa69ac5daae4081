//! Glorot's initializers.

use super::{Initializer, fans, uniform};
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// Uniform over ±√(6 / (inputs + outputs)) (Glorot and Bengio, 2010).
#[derive(Clone, Copy, Debug)]
pub struct GlorotUniform;

impl Initializer for GlorotUniform {
    fn class_name(&self) -> &'static str {
        "GlorotUniform"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("seed".to_string(), Value::Null)])
    }

    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        let (inputs, outputs) = fans(shape);
        let limit = (6.0 / (inputs + outputs)).sqrt();
        Ok(uniform(shape, numbers, -limit, limit))
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}
