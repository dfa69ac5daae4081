//! Cosine decay with a warm-up.

use super::{Schedule, positive, range, required, steps};
use crate::error::Result;
use crate::layers::{Config, Read, object};
use serde_json::json;
use std::f64::consts::PI;

/// `initial_learning_rate · ((1 − α)·(1 + cos(π · step / decay_steps)) / 2 + α)`, and α of the initial rate from
/// `decay_steps` on. With a warm-up the rate first goes in a straight line from the initial one to the target in so
/// many steps, and the cosine starts there, at the target (Loshchilov and Hutter, *SGDR: stochastic gradient descent
/// with warm restarts*, ICLR 2017; [Keras](https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay/)).
///
/// Defaults: α 0, no warm-up.
///
/// ```
/// use uncrumple::prelude::*;
/// let optimizer = AdamW::new(CosineDecay::new(0.0, 10_000).warmup(1e-3, 500));
/// ```
#[derive(Clone, Debug)]
pub struct CosineDecay {
    initial_learning_rate: f64,
    decay_steps: f64,
    alpha: f64,
    warmup_target: Option<f64>,
    warmup_steps: f64,
}

impl CosineDecay {
    /// From this rate to 0 in `decay_steps` steps.
    pub fn new(initial_learning_rate: f64, decay_steps: usize) -> CosineDecay {
        let decay_steps = decay_steps as f64;
        CosineDecay { initial_learning_rate, decay_steps, alpha: 0.0, warmup_target: None, warmup_steps: 0.0 }
    }

    /// The share of the rate that is left at the end; by default 0.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// First goes from the initial rate to `target` in `steps` steps, and decays from there; by default it does not.
    pub fn warmup(mut self, target: f64, steps: usize) -> Self {
        (self.warmup_target, self.warmup_steps) = (Some(target), steps as f64);
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<CosineDecay> {
        let target = config.find("warmup_target").map(|_| config.number("warmup_target", 0.0)).transpose()?;
        Ok(CosineDecay {
            initial_learning_rate: required(config, "initial_learning_rate")?,
            decay_steps: required(config, "decay_steps")?,
            alpha: config.number("alpha", 0.0)?,
            warmup_target: target,
            warmup_steps: config.number("warmup_steps", 0.0)?,
        })
    }
}

impl Schedule for CosineDecay {
    fn class_name(&self) -> &'static str {
        "CosineDecay"
    }

    fn at(&self, step: u64) -> f64 {
        let (step, initial) = (step as f64, self.initial_learning_rate);
        let (step, from) = match self.warmup_target {
            Some(target) if step < self.warmup_steps => {
                return (target - initial) * (step / self.warmup_steps) + initial;
            }
            Some(target) => (step - self.warmup_steps, target),
            None => (step, initial),
        };
        let cosine = 0.5 * (1.0 + (PI * step.min(self.decay_steps) / self.decay_steps).cos());
        from * ((1.0 - self.alpha) * cosine + self.alpha)
    }

    fn check(&self) -> Result<()> {
        range("initial_learning_rate", self.initial_learning_rate, 0.0, f64::INFINITY)?;
        range("alpha", self.alpha, 0.0, f64::INFINITY)?;
        range("warmup_target", self.warmup_target.unwrap_or(0.0), 0.0, f64::INFINITY)?;
        range("warmup_steps", self.warmup_steps, 0.0, f64::INFINITY)?;
        positive("decay_steps", self.decay_steps)
    }

    fn config(&self) -> Config {
        object(json!({
            "initial_learning_rate": self.initial_learning_rate, "decay_steps": steps(self.decay_steps),
            "alpha": self.alpha, "name": "CosineDecay", "warmup_target": self.warmup_target,
            "warmup_steps": steps(self.warmup_steps),
        }))
    }
}
