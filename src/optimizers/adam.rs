//! Adam.

use super::moments::Moments;
use super::update::{three, two};
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read};
use crate::schedules::LearningRate;

/// `m ← m + (1−β₁)·(g − m)`, `v ← v + (1−β₂)·(g² − v)`, `w ← w − α·m / (√v + ε)` with `α = lr·√(1 − β₂ᵗ) / (1 − β₁ᵗ)`
/// in step t, counted from 1 (Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015, in the form that
/// ends its section 2; [Keras](https://keras.io/api/optimizers/adam/)). With AMSGrad (Reddi et al., *On the convergence
/// of Adam and beyond*, ICLR 2018) the largest v so far takes the place of v.
///
/// Defaults: learning rate 0.001, β₁ 0.9, β₂ 0.999, ε 1e-7, no AMSGrad.
#[derive(Clone, Debug)]
pub struct Adam {
    pub(super) settings: Settings,
    pub(super) rule: Rule,
}

pub(super) static KERNEL: Kernel = Kernel::new("optimizers", "adam", &[DType::F32]);

impl Adam {
    /// Adam at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adam {
        Adam { settings: Settings::new(learning_rate), rule: Rule::default() }
    }

    rule_setters!();

    pub(super) fn from_config(config: &Config) -> Result<Adam> {
        Ok(Adam { settings: Settings::new(0.001), rule: Rule::from_config(config)? })
    }
}

impl Optimizer for Adam {
    settings_of!(Adam);

    rule_methods!();
}

/// The arguments that Adam and AdamW share, and what they make of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    pub moments: Moments,
    pub amsgrad: bool,
}

impl Rule {
    pub fn from_config(config: &Config) -> Result<Rule> {
        Ok(Rule { moments: Moments::from_config(config)?, amsgrad: config.flag("amsgrad", false)? })
    }

    pub fn config(&self) -> Config {
        let mut config = self.moments.config();
        config.insert("amsgrad".into(), self.amsgrad.into());
        config
    }

    pub fn slots(&self) -> &'static [&'static str] {
        if self.amsgrad { &["momentum", "velocity", "velocity_hat"] } else { &["momentum", "velocity"] }
    }

    pub fn hyper(&self, settings: &Settings, iteration: u64, learning_rate: f64) -> Hyper {
        let step = (iteration + 1) as f64;
        let Moments { beta_1, beta_2, epsilon } = self.moments;
        let alpha = learning_rate * (1.0 - beta_2.powf(step)).sqrt() / (1.0 - beta_1.powf(step));
        let amsgrad = f64::from(u8::from(self.amsgrad));
        settings.hyper(learning_rate, [alpha, 1.0 - beta_1, 1.0 - beta_2, epsilon, amsgrad])
    }

    pub fn update(&self, hyper: &Hyper, piece: Piece) {
        let [_, _, _, alpha, rest_1, rest_2, epsilon, _] = *hyper;
        if self.amsgrad {
            three(hyper, piece, move |w, g, [m, v, most]| {
                let (m, v) = (m + (g - m) * rest_1, v + (g * g - v) * rest_2);
                // NaN goes on into the weight.
                let most = if most > v { most } else { v };
                (w - m * alpha / (most.sqrt() + epsilon), [m, v, most])
            });
        } else {
            two(hyper, piece, move |w, g, m, v| {
                let (m, v) = (m + (g - m) * rest_1, v + (g * g - v) * rest_2);
                (w - m * alpha / (v.sqrt() + epsilon), m, v)
            });
        }
    }
}

/// The setters of [`Rule`]'s arguments.
macro_rules! rule_setters {
    () => {
        $crate::optimizers::moments::moments_setters!(rule.moments: "running mean of squares");

        /// Whether the mean of squares never shrinks; by default it may.
        pub fn amsgrad(mut self, amsgrad: bool) -> Self {
            self.rule.amsgrad = amsgrad;
            self
        }
    };
}

/// The methods of [`Optimizer`] that hand on to [`Rule`].
macro_rules! rule_methods {
    () => {
        fn slots(&self) -> &'static [&'static str] {
            self.rule.slots()
        }

        fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper {
            self.rule.hyper(&self.settings, iteration, learning_rate)
        }

        fn check(&self) -> Result<()> {
            self.rule.moments.check()
        }

        fn update(&self, hyper: &Hyper, piece: Piece) {
            self.rule.update(hyper, piece);
        }

        fn kernel(&self) -> Option<&'static Kernel> {
            Some(&KERNEL)
        }

        fn config(&self) -> Config {
            self.rule.config()
        }
    };
}
pub(super) use {rule_methods, rule_setters};
