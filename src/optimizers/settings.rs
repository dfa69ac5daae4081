//! What every optimizer has: learning rate, clipping, weight decay.

use super::Hyper;
use crate::error::{Error, Result};
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
    /// The largest element of a gradient, and the least with a minus; others are set to them.
    pub clipvalue: Option<f64>,
    /// The fraction of each weight, times the learning rate, that a step takes away.
    pub weight_decay: Option<f64>,
}

impl Settings {
    /// This learning rate, without clipping and decay.
    pub fn new(learning_rate: f64) -> Settings {
        Settings { learning_rate, clipnorm: None, global_clipnorm: None, clipvalue: None, weight_decay: None }
    }

    /// Rejects what Keras rejects, and numbers without a meaning.
    pub(super) fn check(&self) -> Result<()> {
        range("learning_rate", self.learning_rate, 0.0, f64::INFINITY)?;
        range("weight_decay", self.weight_decay.unwrap_or(0.0), 0.0, f64::INFINITY)?;
        let clips =
            [("clipnorm", self.clipnorm), ("global_clipnorm", self.global_clipnorm), ("clipvalue", self.clipvalue)];
        let mut given = clips.iter().filter_map(|(name, clip)| clip.map(|clip| (name, clip)));
        if let (Some((first, _)), Some((second, _))) = (given.clone().next(), given.clone().nth(1)) {
            return Err(Error::Config(format!(
                "arguments `{first}` and `{second}`: only one of them can clip gradients"
            )));
        }
        match given.find(|(_, clip)| !(*clip > 0.0 && clip.is_finite())) {
            Some((name, clip)) => Err(Error::Config(format!("argument `{name}`: expected more than 0, got {clip}"))),
            None => Ok(()),
        }
    }

    /// The numbers of a step that all rules read, and those of one rule.
    pub(super) fn hyper(&self, learning_rate: f64, [a, b, c, d, e]: [f64; 5]) -> Hyper {
        let decay = self.weight_decay.unwrap_or(0.0) * learning_rate;
        [learning_rate, decay, self.clipvalue.unwrap_or(f64::INFINITY), a, b, c, d, e].map(|x| x as f32)
    }

    pub(super) fn read(&mut self, config: &Config) -> Result<()> {
        config.refuse(&["use_ema", "gradient_accumulation_steps", "loss_scale_factor"])?;
        let optional =
            |name| -> Result<Option<f64>> { config.find(name).map(|_| config.number(name, 0.0)).transpose() };
        self.learning_rate = config.number("learning_rate", self.learning_rate)?;
        self.clipnorm = optional("clipnorm")?;
        self.global_clipnorm = optional("global_clipnorm")?;
        self.clipvalue = optional("clipvalue")?;
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
            "clipvalue": self.clipvalue,
            "use_ema": false,
            "ema_momentum": 0.99,
            "ema_overwrite_frequency": null,
            "loss_scale_factor": null,
            "gradient_accumulation_steps": null,
        }))
    }
}

/// Checks that an argument lies in `least..most`.
pub(super) fn range(name: &str, value: f64, least: f64, most: f64) -> Result<()> {
    if (least..most).contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("argument `{name}`: expected at least {least} and less than {most}, got {value}")))
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

        /// Holds each element of the gradients between this and minus this.
        pub fn clipvalue(mut self, value: f64) -> Self {
            self.settings.clipvalue = Some(value);
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
