//! Initializers that a Keras file gives a seed.

use super::Initializer;
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// An initializer with the `seed` of its config, which is kept and not used.
#[derive(Clone, Debug)]
pub(super) struct Seeded {
    pub(super) initializer: Box<dyn Initializer>,
    pub(super) seed: Value,
}

impl Initializer for Seeded {
    fn class_name(&self) -> &'static str {
        self.initializer.class_name()
    }

    fn config(&self) -> Map<String, Value> {
        let mut config = self.initializer.config();
        config.insert("seed".into(), self.seed.clone());
        config
    }

    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        self.initializer.values(shape, numbers)
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(self.clone())
    }
}
