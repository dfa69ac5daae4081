//! Uniform numbers.

use super::{Initializer, number, uniform};
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// Uniform numbers over [minval, maxval); by default over [−0.05, 0.05)
/// ([Keras](https://keras.io/api/layers/initializers/#randomuniform-class)).
#[derive(Clone, Copy, Debug)]
pub struct RandomUniform {
    minval: f64,
    maxval: f64,
}

impl RandomUniform {
    /// Uniform numbers over [minval, maxval).
    pub fn new(minval: f64, maxval: f64) -> RandomUniform {
        RandomUniform { minval, maxval }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<RandomUniform> {
        Ok(RandomUniform { minval: number(config, "minval", -0.05)?, maxval: number(config, "maxval", 0.05)? })
    }
}

impl Default for RandomUniform {
    fn default() -> Self {
        RandomUniform::new(-0.05, 0.05)
    }
}

impl Initializer for RandomUniform {
    fn class_name(&self) -> &'static str {
        "RandomUniform"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([
            ("seed".into(), Value::Null),
            ("minval".into(), self.minval.into()),
            ("maxval".into(), self.maxval.into()),
        ])
    }

    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        Ok(uniform(shape, numbers, self.minval, self.maxval))
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}
