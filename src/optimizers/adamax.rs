//! Adam by the largest gradient.

use super::moments::{Moments, moments_setters};
use super::update::two;
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::Config;
use crate::schedules::LearningRate;

/// `m ← m + (1−β₁)·(g − m)`, `u ← max(β₂·u, |g|)`, `w ← w − lr / (1 − β₁ᵗ) · m / (u + ε)` in step t, counted from 1
/// (Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015, section 7;
/// [Keras](https://keras.io/api/optimizers/adamax/)).
///
/// Defaults: learning rate 0.001, β₁ 0.9, β₂ 0.999, ε 1e-7.
#[derive(Clone, Debug)]
pub struct Adamax {
    pub(super) settings: Settings,
    moments: Moments,
}

static KERNEL: Kernel = Kernel::new("optimizers", "adamax", &[DType::F32]);

impl Adamax {
    /// Adamax at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adamax {
        Adamax { settings: Settings::new(learning_rate), moments: Moments::default() }
    }

    moments_setters!(moments: "largest gradient");

    pub(super) fn from_config(config: &Config) -> Result<Adamax> {
        Ok(Adamax { settings: Settings::new(0.001), moments: Moments::from_config(config)? })
    }
}

impl Optimizer for Adamax {
    settings_of!(Adamax);

    fn slots(&self) -> &'static [&'static str] {
        &["momentum", "norm"]
    }

    fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper {
        let Moments { beta_1, beta_2, epsilon } = self.moments;
        let alpha = learning_rate / (1.0 - beta_1.powf((iteration + 1) as f64));
        self.settings.hyper(learning_rate, [alpha, 1.0 - beta_1, beta_2, epsilon, 0.0])
    }

    fn check(&self) -> Result<()> {
        self.moments.check()
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
        self.moments.config()
    }
}
