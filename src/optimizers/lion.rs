//! Lion.

use super::settings::{positive, range};
use super::update::one;
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use serde_json::json;

/// `w ← w − lr·sign(β₁·m + (1−β₁)·g)`, then `m ← β₂·m + (1−β₂)·g`: every weight moves by the learning rate, which wants
/// to be some ten times smaller than Adam's, and the decay larger (Chen et al., *Symbolic discovery of optimization
/// algorithms*, 2023; [Keras](https://keras.io/api/optimizers/lion/)).
///
/// Defaults: learning rate 0.001, β₁ 0.9, β₂ 0.99.
#[derive(Clone, Debug)]
pub struct Lion {
    pub(super) settings: Settings,
    beta_1: f64,
    beta_2: f64,
}

static KERNEL: Kernel = Kernel::new("optimizers", "lion", &[DType::F32]);

impl Lion {
    /// Lion at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Lion {
        Lion { settings: Settings::new(learning_rate), beta_1: 0.9, beta_2: 0.99 }
    }

    /// How much of the step is the running mean's, more than 0; by default 0.9.
    pub fn beta_1(mut self, beta_1: f64) -> Self {
        self.beta_1 = beta_1;
        self
    }

    /// The decay of the running mean of gradients; by default 0.99.
    pub fn beta_2(mut self, beta_2: f64) -> Self {
        self.beta_2 = beta_2;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Lion> {
        let default = Lion::new(0.001);
        Ok(Lion {
            beta_1: config.number("beta_1", default.beta_1)?,
            beta_2: config.number("beta_2", default.beta_2)?,
            settings: default.settings,
        })
    }
}

impl Optimizer for Lion {
    settings_of!(Lion);

    fn slots(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        self.settings.hyper(learning_rate, [self.beta_1, 1.0 - self.beta_1, self.beta_2, 1.0 - self.beta_2, 0.0])
    }

    fn check(&self) -> Result<()> {
        positive("beta_1", self.beta_1)?;
        range("beta_1", self.beta_1, 0.0, 1.0)?;
        range("beta_2", self.beta_2, 0.0, 1.0)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [lr, _, _, beta_1, rest_1, beta_2, rest_2, _] = *hyper;
        one(hyper, piece, move |w, g, m| {
            let c = m * beta_1 + g * rest_1;
            // 0 and NaN are their own signs.
            let sign = if c > 0.0 {
                1.0
            } else if c < 0.0 {
                -1.0
            } else {
                c
            };
            (w - lr * sign, m * beta_2 + g * rest_2)
        });
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        object(json!({ "beta_1": self.beta_1, "beta_2": self.beta_2 }))
    }
}
