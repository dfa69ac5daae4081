//! Adam with Nesterov's momentum.

use super::moments::{Moments, moments_setters};
use super::update::two;
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::Config;
use crate::schedules::LearningRate;

/// `m ← m + (1−β₁)·(g − m)`, `v ← v + (1−β₂)·(g² − v)`, `w ← w − lr·(μₜ₊₁·m / (1 − μ₁…μₜ₊₁) + (1 − μₜ)·g / (1 − μ₁…μₜ))
/// / (√(v / (1 − β₂ᵗ)) + ε)` in step t, counted from 1, with `μₜ = β₁·(1 − 0.96ᵗ / 2)` (Dozat, *Incorporating Nesterov
/// momentum into Adam*, ICLR 2016 workshop; [Keras](https://keras.io/api/optimizers/nadam/)).
///
/// Defaults: learning rate 0.001, β₁ 0.9, β₂ 0.999, ε 1e-7.
#[derive(Clone, Debug)]
pub struct Nadam {
    pub(super) settings: Settings,
    moments: Moments,
}

static KERNEL: Kernel = Kernel::new("optimizers", "nadam", &[DType::F32]);

impl Nadam {
    /// Nadam at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Nadam {
        Nadam { settings: Settings::new(learning_rate), moments: Moments::default() }
    }

    moments_setters!(moments: "running mean of squares");

    /// μ of a step, counted from 1.
    fn momentum(&self, step: u64) -> f64 {
        self.moments.beta_1 * (1.0 - 0.5 * 0.96f64.powf(step as f64))
    }

    /// The product of the first so many μ.
    fn product(&self, steps: u64) -> f64 {
        // From there on 0.96ᵗ is nothing beside 1.
        let first = steps.min(1000);
        let (mut product, mut decay) = (1.0, 1.0);
        for _ in 0..first {
            decay *= 0.96;
            product *= self.moments.beta_1 * (1.0 - 0.5 * decay);
        }
        product * self.moments.beta_1.powf((steps - first) as f64)
    }

    pub(super) fn from_config(config: &Config) -> Result<Nadam> {
        Ok(Nadam { settings: Settings::new(0.001), moments: Moments::from_config(config)? })
    }
}

impl Optimizer for Nadam {
    settings_of!(Nadam);

    fn slots(&self) -> &'static [&'static str] {
        &["momentum", "velocity"]
    }

    fn scalar(&self, iteration: u64) -> Option<f64> {
        Some(self.product(iteration))
    }

    fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper {
        let Moments { beta_1, beta_2, epsilon } = self.moments;
        // Keras rounds it to f32, and so 1 − β₂ to a few parts in 100 000.
        let beta_2 = f64::from(beta_2 as f32);
        // Both sides of the fraction times the root of v's correction.
        let root = (1.0 - beta_2.powf((iteration + 1) as f64)).sqrt();
        let (mean, gradient) = (self.momentum(iteration + 2), 1.0 - self.momentum(iteration + 1));
        let mean = mean / (1.0 - self.product(iteration + 2));
        let gradient = gradient / (1.0 - self.product(iteration + 1));
        let [mean, gradient] = [mean, gradient].map(|share| learning_rate * root * share);
        self.settings.hyper(learning_rate, [mean, gradient, 1.0 - beta_1, 1.0 - beta_2, epsilon * root])
    }

    fn check(&self) -> Result<()> {
        self.moments.check()
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [_, _, _, mean, gradient, rest_1, rest_2, epsilon] = *hyper;
        two(hyper, piece, move |w, g, m, v| {
            let (m, v) = (m + (g - m) * rest_1, v + (g * g - v) * rest_2);
            (w - (mean * m + gradient * g) / (v.sqrt() + epsilon), m, v)
        });
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        self.moments.config()
    }
}
