//! RMSprop.

use super::update::{one, two};
use super::{Hyper, Optimizer, Piece, Settings};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use serde_json::json;

/// `v ← ρ·v + (1−ρ)·g²`, `w ← w − lr·g / √(v + ε)`; with momentum the step is `m ← μ·m + lr·g / √(v + ε)`
/// (Hinton's lecture 6e; [Keras](https://keras.io/api/optimizers/rmsprop/)).
///
/// Defaults: learning rate 0.001, ρ 0.9, no momentum, ε 1e-7.
#[derive(Clone, Debug)]
pub struct RMSprop {
    pub(super) settings: Settings,
    rho: f64,
    momentum: f64,
    epsilon: f64,
}

static KERNEL: Kernel = Kernel::new("optimizers", "rmsprop", &[DType::F32]);

impl RMSprop {
    /// RMSprop at this learning rate.
    pub fn new(learning_rate: f64) -> RMSprop {
        RMSprop { settings: Settings::new(learning_rate), rho: 0.9, momentum: 0.0, epsilon: 1e-7 }
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

    pub(super) fn from_config(config: &Config) -> Result<RMSprop> {
        config.refuse(&["centered"])?;
        Ok(RMSprop {
            settings: Settings::new(0.001),
            rho: config.number("rho", 0.9)?,
            momentum: config.number("momentum", 0.0)?,
            epsilon: config.number("epsilon", 1e-7)?,
        })
    }
}

impl Optimizer for RMSprop {
    fn class_name(&self) -> &'static str {
        "RMSprop"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> &'static [&'static str] {
        if self.momentum > 0.0 { &["velocity", "momentum"] } else { &["velocity"] }
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        let decay = self.settings.weight_decay.unwrap_or(0.0) * learning_rate;
        [learning_rate, decay, self.rho, self.epsilon, self.momentum, 0.0, 0.0, 0.0].map(|x| x as f32)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [lr, decay, rho, epsilon, momentum, ..] = *hyper;
        let square = move |v: f32, g: f32| rho * v + (1.0 - rho) * g * g;
        if self.momentum > 0.0 {
            two(piece, move |w, g, v, m| {
                let v = square(v, g);
                let m = momentum * m + lr * g / (v + epsilon).sqrt();
                (w - decay * w - m, v, m)
            });
        } else {
            one(piece, move |w, g, v| {
                let v = square(v, g);
                (w - decay * w - lr * g / (v + epsilon).sqrt(), v)
            });
        }
    }

    fn kernel(&self) -> &'static Kernel {
        &KERNEL
    }

    fn config(&self) -> Config {
        object(json!({
            "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "centered": false,
        }))
    }
}
