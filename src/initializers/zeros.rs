//! Zeros.

use super::Initializer;
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// Zeros.
#[derive(Clone, Copy, Debug)]
pub struct Zeros;

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
