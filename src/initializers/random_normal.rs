//! Normal numbers.

use super::{Initializer, normal, number};
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// Normal numbers; by default of the mean 0 and the standard deviation 0.05
/// ([Keras](https://keras.io/api/layers/initializers/#randomnormal-class)).
#[derive(Clone, Copy, Debug)]
pub struct RandomNormal {
    mean: f64,
    stddev: f64,
}

impl RandomNormal {
    /// Normal numbers of this mean and standard deviation.
    pub fn new(mean: f64, stddev: f64) -> RandomNormal {
        RandomNormal { mean, stddev }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<RandomNormal> {
        Ok(RandomNormal { mean: number(config, "mean", 0.0)?, stddev: number(config, "stddev", 0.05)? })
    }
}

impl Default for RandomNormal {
    fn default() -> Self {
        RandomNormal::new(0.0, 0.05)
    }
}

impl Initializer for RandomNormal {
    fn class_name(&self) -> &'static str {
        "RandomNormal"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([
            ("seed".into(), Value::Null),
            ("mean".into(), self.mean.into()),
            ("stddev".into(), self.stddev.into()),
        ])
    }

    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        Ok(normal(shape, numbers, self.mean, self.stddev))
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}
