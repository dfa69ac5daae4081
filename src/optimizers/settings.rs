//! What every optimizer has: learning rate, clipping, weight decay.

use crate::error::Result;
use crate::layers::{Config, Read, object};
use serde_json::json;

/// Learning rate, clipping and decoupled weight decay, with Keras's defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The step size.
    pub learning_rate: f64,
    /// The largest norm of one parameter's gradient; a larger one is shrunk to it.
    pub clipnorm: Option<f64>,
    /// The largest norm of all gradients together; larger ones are shrunk alike.
    pub global_clipnorm: Option<f64>,
    /// The fraction of each weight, times the learning rate, that a step takes away.
    pub weight_decay: Option<f64>,
}

impl Settings {
    /// This learning rate, without clipping and decay.
    pub fn new(learning_rate: f64) -> Settings {
        Settings { learning_rate, clipnorm: None, global_clipnorm: None, weight_decay: None }
    }

    pub(super) fn read(&mut self, config: &Config) -> Result<()> {
        config.refuse(&["clipvalue", "use_ema", "gradient_accumulation_steps", "loss_scale_factor"])?;
        let optional =
            |name| -> Result<Option<f64>> { config.find(name).map(|_| config.number(name, 0.0)).transpose() };
        self.learning_rate = config.number("learning_rate", self.learning_rate)?;
        self.clipnorm = optional("clipnorm")?;
        self.global_clipnorm = optional("global_clipnorm")?;
        if config.contains_key("weight_decay") {
            self.weight_decay = optional("weight_decay")?;
        }
        Ok(())
    }

    pub(super) fn config(&self, name: &str) -> Config {
        object(json!({
            "name": name,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": null,
            "use_ema": false,
            "ema_momentum": 0.99,
            "ema_overwrite_frequency": null,
            "loss_scale_factor": null,
            "gradient_accumulation_steps": null,
        }))
    }
}

macro_rules! setters {
    () => {
        /// Shrinks each parameter's gradient to this norm where it is larger.
        pub fn clipnorm(mut self, norm: f64) -> Self {
            self.settings.clipnorm = Some(norm);
            self
        }

        /// Shrinks all gradients alike where their common norm is larger than this.
        pub fn global_clipnorm(mut self, norm: f64) -> Self {
            self.settings.global_clipnorm = Some(norm);
            self
        }

        /// Takes this fraction of each weight, times the learning rate, away at each step.
        pub fn weight_decay(mut self, decay: f64) -> Self {
            self.settings.weight_decay = Some(decay);
            self
        }
    };
}
pub(super) use setters;
