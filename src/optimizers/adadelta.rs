//! Adadelta.

use super::settings::range;
use super::update::two;
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use serde_json::json;

/// `a ← ρ·a + (1−ρ)·g²`, `d = −g·√(b + ε) / √(a + ε)`, `b ← ρ·b + (1−ρ)·d²`, `w ← w + lr·d`: steps in the units of the
/// weights (Zeiler, *Adadelta: an adaptive learning rate method*, 2012;
/// [Keras](https://keras.io/api/optimizers/adadelta/)).
///
/// Defaults: learning rate 0.001 (the paper's is 1), ρ 0.95, ε 1e-7.
#[derive(Clone, Debug)]
pub struct Adadelta {
    pub(super) settings: Settings,
    rho: f64,
    epsilon: f64,
}

static KERNEL: Kernel = Kernel::new("optimizers", "adadelta", &[DType::F32]);

impl Adadelta {
    /// Adadelta at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adadelta {
        Adadelta { settings: Settings::new(learning_rate), rho: 0.95, epsilon: 1e-7 }
    }

    /// The decay of both running means of squares; by default 0.95.
    pub fn rho(mut self, rho: f64) -> Self {
        self.rho = rho;
        self
    }

    /// What keeps the roots away from 0; by default 1e-7.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Adadelta> {
        let default = Adadelta::new(0.001);
        Ok(Adadelta {
            rho: config.number("rho", default.rho)?,
            epsilon: config.number("epsilon", default.epsilon)?,
            settings: default.settings,
        })
    }
}

impl Optimizer for Adadelta {
    settings_of!(Adadelta);

    fn slots(&self) -> &'static [&'static str] {
        &["accumulated_grad", "accumulated_delta_var"]
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        self.settings.hyper(learning_rate, [self.rho, 1.0 - self.rho, self.epsilon, 0.0, 0.0])
    }

    fn check(&self) -> Result<()> {
        range("rho", self.rho, 0.0, 1.0)?;
        range("epsilon", self.epsilon, 0.0, f64::INFINITY)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [lr, _, _, rho, rest, epsilon, ..] = *hyper;
        two(hyper, piece, move |w, g, a, b| {
            let a = rho * a + rest * g * g;
            let d = -(b + epsilon).sqrt() * g / (a + epsilon).sqrt();
            (w + lr * d, a, rho * b + rest * d * d)
        });
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        object(json!({ "rho": self.rho, "epsilon": self.epsilon }))
    }
}
