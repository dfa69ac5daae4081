//! The arguments that Adam and its like share.

use super::settings::range;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use serde_json::json;

/// β₁, β₂ and ε of running moments of the gradients, with Keras's defaults.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Moments { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Moments {
    pub fn from_config(config: &Config) -> Result<Moments> {
        Moments::read(config, ["beta_1", "beta_2"])
    }

    /// The same with other names of β₁ and β₂.
    pub fn read(config: &Config, [beta_1, beta_2]: [&str; 2]) -> Result<Moments> {
        let default = Moments::default();
        Ok(Moments {
            beta_1: config.number(beta_1, default.beta_1)?,
            beta_2: config.number(beta_2, default.beta_2)?,
            epsilon: config.number("epsilon", default.epsilon)?,
        })
    }

    pub fn config(&self) -> Config {
        object(json!({ "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon }))
    }

    pub fn check(&self) -> Result<()> {
        self.check_as(["beta_1", "beta_2"])
    }

    /// The same with other names of β₁ and β₂.
    pub fn check_as(&self, [beta_1, beta_2]: [&str; 2]) -> Result<()> {
        range(beta_1, self.beta_1, 0.0, 1.0)?;
        range(beta_2, self.beta_2, 0.0, 1.0)?;
        range("epsilon", self.epsilon, 0.0, f64::INFINITY)
    }
}

/// The setters of [`Moments`] in a field; `$second` is what β₂ is of.
macro_rules! moments_setters {
    ($($field:ident).+: $second:literal) => {
        /// The decay of the running mean of gradients; by default 0.9.
        pub fn beta_1(mut self, beta_1: f64) -> Self {
            self.$($field).+.beta_1 = beta_1;
            self
        }

        #[doc = concat!("The decay of the ", $second, "; by default 0.999.")]
        pub fn beta_2(mut self, beta_2: f64) -> Self {
            self.$($field).+.beta_2 = beta_2;
            self
        }

        /// What keeps the divisor away from 0; by default 1e-7.
        pub fn epsilon(mut self, epsilon: f64) -> Self {
            self.$($field).+.epsilon = epsilon;
            self
        }
    };
}
pub(super) use moments_setters;
