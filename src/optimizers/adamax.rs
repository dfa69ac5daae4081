//! Adam by the largest gradient.

use super::settings::range;
use super::update::two;
use super::{Hyper, Optimizer, Piece, Settings};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use serde_json::json;

/// `m ← m + (1−β₁)·(g − m)`, `u ← max(β₂·u, |g|)`, `w ← w − lr / (1 − β₁ᵗ) · m / (u + ε)` in step t, counted from 1 (Kingma and Ba,
/// *Adam: a method for stochastic optimization*, ICLR 2015, section 7; [Keras](https://keras.io/api/optimizers/adamax/)).
///
/// Defaults: learning rate 0.001, β₁ 0.9, β₂ 0.999, ε 1e-7.
#[derive(Clone, Debug)]
pub struct Adamax {
    pub(super) settings: Settings,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

static KERNEL: Kernel = Kernel::new("optimizers", "adamax", &[DType::F32]);

impl Adamax {
    /// Adamax at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adamax {
        Adamax { settings: Settings::new(learning_rate), beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }

    /// The decay of the running mean of gradients; by default 0.9.
    pub fn beta_1(mut self, beta_1: f64) -> Self {
        self.beta_1 = beta_1;
        self
    }

    /// The decay of the largest gradient; by default 0.999.
    pub fn beta_2(mut self, beta_2: f64) -> Self {
        self.beta_2 = beta_2;
        self
    }

    /// What keeps the divisor away from 0; by default 1e-7.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Adamax> {
        let default = Adamax::new(0.001);
        Ok(Adamax {
            beta_1: config.number("beta_1", default.beta_1)?,
            beta_2: config.number("beta_2", default.beta_2)?,
            epsilon: config.number("epsilon", default.epsilon)?,
            settings: default.settings,
        })
    }
}

impl Optimizer for Adamax {
    fn class_name(&self) -> &'static str {
        "Adamax"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> &'static [&'static str] {
        &["momentum", "norm"]
    }

    fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper {
        let alpha = learning_rate / (1.0 - self.beta_1.powf((iteration + 1) as f64));
        self.settings.hyper(learning_rate, [alpha, 1.0 - self.beta_1, self.beta_2, self.epsilon, 0.0])
    }

    fn check(&self) -> Result<()> {
        range("beta_1", self.beta_1, 0.0, 1.0)?;
        range("beta_2", self.beta_2, 0.0, 1.0)?;
        range("epsilon", self.epsilon, 0.0, f64::INFINITY)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [_, _, _, alpha, rest, beta_2, epsilon, _] = *hyper;
        two(hyper, piece, move |w, g, m, u| {
            let (m, u) = (m + (g - m) * rest, beta_2 * u);
            // NaN goes on into the weight.
            let u = if u > g.abs() { u } else { g.abs() };
            (w - alpha * m / (u + epsilon), m, u)
        });
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        object(json!({ "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon }))
    }
}
