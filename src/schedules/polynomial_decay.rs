//! Polynomial decay.

use super::{Schedule, positive, range, required, steps};
use crate::error::Result;
use crate::layers::{Config, Read, object};
use serde_json::json;

/// `(initial_learning_rate − end_learning_rate) · (1 − step / decay_steps)^power + end_learning_rate`, and the end's
/// rate from `decay_steps` on; with `cycle` the steps of the decay are the least multiple of `decay_steps` that the
/// step does not exceed, so that the rate rises again
/// ([Keras](https://keras.io/api/optimizers/learning_rate_schedules/polynomial_decay/)).
///
/// Defaults: end 0.0001, power 1, no cycle.
///
/// ```
/// use uncrumple::prelude::*;
/// let optimizer = SGD::new(PolynomialDecay::new(1e-2, 10_000).power(0.5));
/// ```
#[derive(Clone, Debug)]
pub struct PolynomialDecay {
    initial_learning_rate: f64,
    decay_steps: f64,
    end_learning_rate: f64,
    power: f64,
    cycle: bool,
}

impl PolynomialDecay {
    /// From this rate to the end's in `decay_steps` steps.
    pub fn new(initial_learning_rate: f64, decay_steps: usize) -> PolynomialDecay {
        PolynomialDecay {
            initial_learning_rate,
            decay_steps: decay_steps as f64,
            end_learning_rate: 1e-4,
            power: 1.0,
            cycle: false,
        }
    }

    /// The last rate; by default 0.0001.
    pub fn end_learning_rate(mut self, rate: f64) -> Self {
        self.end_learning_rate = rate;
        self
    }

    /// The power of the polynomial; by default 1, a straight line.
    pub fn power(mut self, power: f64) -> Self {
        self.power = power;
        self
    }

    /// Whether the rate goes up again after `decay_steps` steps; by default it stays.
    pub fn cycle(mut self, cycle: bool) -> Self {
        self.cycle = cycle;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<PolynomialDecay> {
        Ok(PolynomialDecay {
            initial_learning_rate: required(config, "initial_learning_rate")?,
            decay_steps: required(config, "decay_steps")?,
            end_learning_rate: config.number("end_learning_rate", 1e-4)?,
            power: config.number("power", 1.0)?,
            cycle: config.flag("cycle", false)?,
        })
    }
}

impl Schedule for PolynomialDecay {
    fn class_name(&self) -> &'static str {
        "PolynomialDecay"
    }

    fn at(&self, step: u64) -> f64 {
        let step = step as f64;
        let p = match self.cycle {
            true => step / (self.decay_steps * (step / self.decay_steps).ceil().max(1.0)),
            false => step.min(self.decay_steps) / self.decay_steps,
        };
        (self.initial_learning_rate - self.end_learning_rate) * (1.0 - p).max(0.0).powf(self.power)
            + self.end_learning_rate
    }

    fn check(&self) -> Result<()> {
        range("initial_learning_rate", self.initial_learning_rate, 0.0, f64::INFINITY)?;
        range("end_learning_rate", self.end_learning_rate, 0.0, f64::INFINITY)?;
        positive("decay_steps", self.decay_steps)?;
        range("power", self.power, 0.0, f64::INFINITY)
    }

    fn config(&self) -> Config {
        object(json!({
            "initial_learning_rate": self.initial_learning_rate, "decay_steps": steps(self.decay_steps),
            "end_learning_rate": self.end_learning_rate, "power": self.power, "cycle": self.cycle,
            "name": "PolynomialDecay",
        }))
    }
}
