//! RMSprop.

use super::settings::{range, share};
use super::update::{one, three, two};
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use serde_json::json;

/// `v ← ρ·v + (1−ρ)·g²`, `w ← w − lr·g / √(v + ε)`; with momentum the step is `m ← μ·m + lr·g / √(v + ε)`; centered,
/// the root is of `v − a² + ε` with `a ← ρ·a + (1−ρ)·g` (Hinton's lecture 6e; Graves, *Generating sequences with
/// recurrent neural networks*, 2013; [Keras](https://keras.io/api/optimizers/rmsprop/)).
///
/// Defaults: learning rate 0.001, ρ 0.9, no momentum, ε 1e-7, not centered.
#[derive(Clone, Debug)]
pub struct RMSprop {
    pub(super) settings: Settings,
    rho: f64,
    momentum: f64,
    epsilon: f64,
    centered: bool,
}

static KERNEL: Kernel = Kernel::new("optimizers", "rmsprop", &[DType::F32]);

impl RMSprop {
    /// RMSprop at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> RMSprop {
        RMSprop { settings: Settings::new(learning_rate), rho: 0.9, momentum: 0.0, epsilon: 1e-7, centered: false }
    }

    /// The decay of the running mean of squares; by default 0.9.
    pub fn rho(mut self, rho: f64) -> Self {
        self.rho = rho;
        self
    }

    /// The momentum of the step; by default 0, none.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// What keeps the root away from 0; by default 1e-7.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Whether gradients are measured from their running mean; by default they are not.
    pub fn centered(mut self, centered: bool) -> Self {
        self.centered = centered;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<RMSprop> {
        Ok(RMSprop {
            settings: Settings::new(0.001),
            rho: config.number("rho", 0.9)?,
            momentum: config.number("momentum", 0.0)?,
            epsilon: config.number("epsilon", 1e-7)?,
            centered: config.flag("centered", false)?,
        })
    }
}

impl Optimizer for RMSprop {
    settings_of!(RMSprop);

    fn slots(&self) -> &'static [&'static str] {
        match (self.momentum > 0.0, self.centered) {
            (false, false) => &["velocity"],
            (true, false) => &["velocity", "momentum"],
            (false, true) => &["velocity", "average_gradient"],
            (true, true) => &["velocity", "momentum", "average_gradient"],
        }
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        let centered = f64::from(u8::from(self.centered));
        self.settings.hyper(learning_rate, [self.rho, 1.0 - self.rho, self.epsilon, self.momentum, centered])
    }

    fn check(&self) -> Result<()> {
        range("rho", self.rho, 0.0, 1.0)?;
        share("momentum", self.momentum)?;
        range("epsilon", self.epsilon, 0.0, f64::INFINITY)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [lr, _, _, rho, rest, epsilon, momentum, _] = *hyper;
        let mean = move |old: f32, new: f32| rho * old + rest * new;
        match (self.momentum > 0.0, self.centered) {
            (false, false) => one(hyper, piece, move |w, g, v| {
                let v = mean(v, g * g);
                (w - lr * g / (v + epsilon).sqrt(), v)
            }),
            (true, false) => two(hyper, piece, move |w, g, v, m| {
                let v = mean(v, g * g);
                let m = momentum * m + lr * g / (v + epsilon).sqrt();
                (w - m, v, m)
            }),
            (false, true) => two(hyper, piece, move |w, g, v, a| {
                let (v, a) = (mean(v, g * g), mean(a, g));
                (w - lr * g / (v - a * a + epsilon).sqrt(), v, a)
            }),
            (true, true) => three(hyper, piece, move |w, g, [v, m, a]| {
                let (v, a) = (mean(v, g * g), mean(a, g));
                let m = momentum * m + lr * g / (v - a * a + epsilon).sqrt();
                (w - m, [v, m, a])
            }),
        }
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        object(json!({
            "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "centered": self.centered,
        }))
    }
}
