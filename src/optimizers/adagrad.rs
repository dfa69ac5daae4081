//! Adagrad.

use super::settings::range;
use super::update::one;
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use serde_json::json;

/// `a ← a + g²`, `w ← w − lr·g / √(a + ε)`, a from 0.1 on: a weight's steps become smaller the more it was moved
/// (Duchi, Hazan and Singer, *Adaptive subgradient methods for online learning and stochastic optimization*, JMLR 12,
/// 2011; [Keras](https://keras.io/api/optimizers/adagrad/)).
///
/// Defaults: learning rate 0.001, initial accumulator value 0.1, ε 1e-7.
#[derive(Clone, Debug)]
pub struct Adagrad {
    pub(super) settings: Settings,
    initial_accumulator_value: f64,
    epsilon: f64,
}

static KERNEL: Kernel = Kernel::new("optimizers", "adagrad", &[DType::F32]);

impl Adagrad {
    /// Adagrad at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adagrad {
        Adagrad { settings: Settings::new(learning_rate), initial_accumulator_value: 0.1, epsilon: 1e-7 }
    }

    /// What the sum of squares begins with; by default 0.1.
    pub fn initial_accumulator_value(mut self, initial_accumulator_value: f64) -> Self {
        self.initial_accumulator_value = initial_accumulator_value;
        self
    }

    /// What keeps the root away from 0; by default 1e-7.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Adagrad> {
        let default = Adagrad::new(0.001);
        Ok(Adagrad {
            initial_accumulator_value: config.number("initial_accumulator_value", default.initial_accumulator_value)?,
            epsilon: config.number("epsilon", default.epsilon)?,
            settings: default.settings,
        })
    }
}

impl Optimizer for Adagrad {
    settings_of!(Adagrad);

    fn slots(&self) -> &'static [&'static str] {
        &["accumulator"]
    }

    fn initial(&self, _: usize) -> f64 {
        self.initial_accumulator_value
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        self.settings.hyper(learning_rate, [self.epsilon, 0.0, 0.0, 0.0, 0.0])
    }

    fn check(&self) -> Result<()> {
        range("initial_accumulator_value", self.initial_accumulator_value, 0.0, f64::INFINITY)?;
        range("epsilon", self.epsilon, 0.0, f64::INFINITY)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [lr, _, _, epsilon, ..] = *hyper;
        one(hyper, piece, move |w, g, a| {
            let a = a + g * g;
            (w - lr * g / (a + epsilon).sqrt(), a)
        });
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        object(json!({ "initial_accumulator_value": self.initial_accumulator_value, "epsilon": self.epsilon }))
    }
}
