//! Cosine decay that begins again.

use super::{Schedule, positive, range, required, share, steps};
use crate::error::Result;
use crate::layers::{Config, Read, object};
use serde_json::json;
use std::f64::consts::PI;

/// Cosine decays one after another: the i-th, from 0, takes `first_decay_steps · t_mulⁱ` steps, and in its fraction f
/// the rate is `initial_learning_rate · ((1 − α)·m_mulⁱ·(1 + cos(π·f)) / 2 + α)` (Loshchilov and Hutter, *SGDR:
/// stochastic gradient descent with warm restarts*, ICLR 2017;
/// [Keras](https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay_restarts/)).
///
/// Defaults: `t_mul` 2, `m_mul` 1, α 0.
#[derive(Clone, Debug)]
pub struct CosineDecayRestarts {
    initial_learning_rate: f64,
    first_decay_steps: f64,
    t_mul: f64,
    m_mul: f64,
    alpha: f64,
}

impl CosineDecayRestarts {
    /// From this rate to 0 in `first_decay_steps` steps, then again.
    pub fn new(initial_learning_rate: f64, first_decay_steps: usize) -> CosineDecayRestarts {
        let first_decay_steps = first_decay_steps as f64;
        CosineDecayRestarts { initial_learning_rate, first_decay_steps, t_mul: 2.0, m_mul: 1.0, alpha: 0.0 }
    }

    /// How many times as long each decay is as the one before, at least 1; by default 2.
    pub fn t_mul(mut self, t_mul: f64) -> Self {
        self.t_mul = t_mul;
        self
    }

    /// What each decay's first rate is of that of the one before; by default 1.
    pub fn m_mul(mut self, m_mul: f64) -> Self {
        self.m_mul = m_mul;
        self
    }

    /// The share of the rate that is left at the end of a decay; by default 0.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<CosineDecayRestarts> {
        Ok(CosineDecayRestarts {
            initial_learning_rate: required(config, "initial_learning_rate")?,
            first_decay_steps: required(config, "first_decay_steps")?,
            t_mul: config.number("t_mul", 2.0)?,
            m_mul: config.number("m_mul", 1.0)?,
            alpha: config.number("alpha", 0.0)?,
        })
    }

    /// How many restarts there were, and the fraction of the present decay that is done.
    fn place(&self, step: f64) -> (f64, f64) {
        let done = step / self.first_decay_steps;
        if self.t_mul == 1.0 {
            return (done.floor(), done - done.floor());
        }
        let begin = |i: f64| (1.0 - self.t_mul.powf(i)) / (1.0 - self.t_mul);
        // The logarithm may round to either side of a restart.
        let mut i = ((1.0 - done * (1.0 - self.t_mul)).ln() / self.t_mul.ln()).floor().max(0.0);
        if begin(i) > done {
            i -= 1.0;
        } else if begin(i + 1.0) <= done {
            i += 1.0;
        }
        (i, (done - begin(i)) / self.t_mul.powf(i))
    }
}

impl Schedule for CosineDecayRestarts {
    fn class_name(&self) -> &'static str {
        "CosineDecayRestarts"
    }

    fn at(&self, step: u64) -> f64 {
        let (restarts, fraction) = self.place(step as f64);
        let cosine = 0.5 * self.m_mul.powf(restarts) * (1.0 + (PI * fraction).cos());
        self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)
    }

    fn check(&self) -> Result<()> {
        range("initial_learning_rate", self.initial_learning_rate, 0.0, f64::INFINITY)?;
        positive("first_decay_steps", self.first_decay_steps)?;
        range("t_mul", self.t_mul, 1.0, f64::INFINITY)?;
        range("m_mul", self.m_mul, 0.0, f64::INFINITY)?;
        share("alpha", self.alpha)
    }

    fn config(&self) -> Config {
        object(json!({
            "initial_learning_rate": self.initial_learning_rate, "first_decay_steps": steps(self.first_decay_steps),
            "t_mul": self.t_mul, "m_mul": self.m_mul, "alpha": self.alpha, "name": "SGDRDecay",
        }))
    }
}
