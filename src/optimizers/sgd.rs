//! Stochastic gradient descent.

use super::settings::share;
use super::update::{none, one};
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use serde_json::json;

/// `w ← w − lr·g`; with momentum μ, `m ← μ·m − lr·g` and `w ← w + m`, or with Nesterov's, `w ← w + μ·m − lr·g`
/// (Sutskever et al., *On the importance of initialization and momentum in deep learning*, ICML 2013;
/// [Keras](https://keras.io/api/optimizers/sgd/)).
///
/// Defaults: learning rate 0.01, no momentum.
#[derive(Clone, Debug)]
pub struct SGD {
    pub(super) settings: Settings,
    momentum: f64,
    nesterov: bool,
}

static KERNEL: Kernel = Kernel::new("optimizers", "sgd", &[DType::F32]);

impl SGD {
    /// Gradient descent at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> SGD {
        SGD { settings: Settings::new(learning_rate), momentum: 0.0, nesterov: false }
    }

    /// The share of the last step that the next one keeps; by default 0, none.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// Whether the momentum is Nesterov's; by default it is not.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.nesterov = nesterov;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<SGD> {
        Ok(SGD {
            settings: Settings::new(0.01),
            momentum: config.number("momentum", 0.0)?,
            nesterov: config.flag("nesterov", false)?,
        })
    }
}

impl Optimizer for SGD {
    settings_of!(SGD);

    fn slots(&self) -> &'static [&'static str] {
        if self.momentum != 0.0 { &["momentum"] } else { &[] }
    }

    fn hyper(&self, _: u64, learning_rate: f64) -> Hyper {
        self.settings.hyper(learning_rate, [self.momentum, f64::from(u8::from(self.nesterov)), 0.0, 0.0, 0.0])
    }

    fn check(&self) -> Result<()> {
        share("momentum", self.momentum)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [lr, _, _, momentum, ..] = *hyper;
        if self.momentum == 0.0 {
            none(hyper, piece, move |w, g| w - lr * g);
        } else if self.nesterov {
            one(hyper, piece, move |w, g, m| {
                let m = momentum * m - lr * g;
                (w + (momentum * m - lr * g), m)
            });
        } else {
            one(hyper, piece, move |w, g, m| {
                let m = momentum * m - lr * g;
                (w + m, m)
            });
        }
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        object(json!({"momentum": self.momentum, "nesterov": self.nesterov}))
    }
}
