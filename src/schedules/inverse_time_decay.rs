//! Decay by the inverse of time.

use super::{Schedule, positive, range, required, steps};
use crate::error::Result;
use crate::layers::{Config, Read, object};
use serde_json::json;

/// `initial_learning_rate / (1 + decay_rate · step / decay_steps)`; as a staircase the quotient of steps is the whole
/// number below it ([Keras](https://keras.io/api/optimizers/learning_rate_schedules/inverse_time_decay/)).
///
/// ```
/// use uncrumple::prelude::*;
/// let optimizer = Adam::new(InverseTimeDecay::new(1e-3, 1000, 0.5).staircase(true));
/// ```
#[derive(Clone, Debug)]
pub struct InverseTimeDecay {
    initial_learning_rate: f64,
    decay_steps: f64,
    decay_rate: f64,
    staircase: bool,
}

impl InverseTimeDecay {
    /// From this rate, divided by `1 + decay_rate` after `decay_steps` steps.
    pub fn new(initial_learning_rate: f64, decay_steps: usize, decay_rate: f64) -> InverseTimeDecay {
        InverseTimeDecay { initial_learning_rate, decay_steps: decay_steps as f64, decay_rate, staircase: false }
    }

    /// Whether the rate falls only each `decay_steps` steps; by default it falls at each.
    pub fn staircase(mut self, staircase: bool) -> Self {
        self.staircase = staircase;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<InverseTimeDecay> {
        Ok(InverseTimeDecay {
            initial_learning_rate: required(config, "initial_learning_rate")?,
            decay_steps: required(config, "decay_steps")?,
            decay_rate: required(config, "decay_rate")?,
            staircase: config.flag("staircase", false)?,
        })
    }
}

impl Schedule for InverseTimeDecay {
    fn class_name(&self) -> &'static str {
        "InverseTimeDecay"
    }

    fn at(&self, step: u64) -> f64 {
        let p = step as f64 / self.decay_steps;
        self.initial_learning_rate / (1.0 + self.decay_rate * if self.staircase { p.floor() } else { p })
    }

    fn check(&self) -> Result<()> {
        range("initial_learning_rate", self.initial_learning_rate, 0.0, f64::INFINITY)?;
        positive("decay_steps", self.decay_steps)?;
        range("decay_rate", self.decay_rate, 0.0, f64::INFINITY)
    }

    fn config(&self) -> Config {
        object(json!({
            "initial_learning_rate": self.initial_learning_rate, "decay_steps": steps(self.decay_steps),
            "decay_rate": self.decay_rate, "staircase": self.staircase, "name": "InverseTimeDecay",
        }))
    }
}
