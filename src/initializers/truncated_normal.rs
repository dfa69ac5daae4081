//! Normal numbers without tails.

use super::{Initializer, number, truncated_normal};
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// Normal numbers of which those more than two standard deviations from the mean are drawn again; by default of the mean 0
/// and, before the cut, the standard deviation 0.05
/// ([Keras](https://keras.io/api/layers/initializers/#truncatednormal-class)).
#[derive(Clone, Copy, Debug)]
pub struct TruncatedNormal {
    mean: f64,
    stddev: f64,
}

impl TruncatedNormal {
    /// Numbers of this mean and, before the cut, this standard deviation.
    pub fn new(mean: f64, stddev: f64) -> TruncatedNormal {
        TruncatedNormal { mean, stddev }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<TruncatedNormal> {
        Ok(TruncatedNormal { mean: number(config, "mean", 0.0)?, stddev: number(config, "stddev", 0.05)? })
    }
}

impl Default for TruncatedNormal {
    fn default() -> Self {
        TruncatedNormal::new(0.0, 0.05)
    }
}

impl Initializer for TruncatedNormal {
    fn class_name(&self) -> &'static str {
        "TruncatedNormal"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([
            ("seed".into(), Value::Null),
            ("mean".into(), self.mean.into()),
            ("stddev".into(), self.stddev.into()),
        ])
    }

    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        Ok(truncated_normal(shape, numbers, self.mean, self.stddev))
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}
