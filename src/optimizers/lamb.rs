//! Adam in steps as large as the weights ask for.

use super::settings::range;
use super::update::two;
use super::{Hyper, Optimizer, Piece, Settings};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use crate::tensor::Tensor;
use serde_json::json;

/// m and v as [`super::Adam`]'s, `u = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)` in step t, counted from 1, and
/// `w ← w − lr·‖w‖ / ‖u‖·u`, the norms over the whole parameter and their quotient 1 where one is 0 (You et al., *Large batch
/// optimization for deep learning: training BERT in 76 minutes*, ICLR 2020; [Keras](https://keras.io/api/optimizers/lamb/)).
/// The norms are ops, some ten launches for each parameter on a CUDA card.
///
/// Defaults: learning rate 0.001, β₁ 0.9, β₂ 0.999, ε 1e-7.
#[derive(Clone, Debug)]
pub struct Lamb {
    pub(super) settings: Settings,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

static KERNEL: Kernel = Kernel::new("optimizers", "lamb", &[DType::F32]);

impl Lamb {
    /// Lamb at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Lamb {
        Lamb { settings: Settings::new(learning_rate), beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }

    /// The decay of the running mean of gradients; by default 0.9.
    pub fn beta_1(mut self, beta_1: f64) -> Self {
        self.beta_1 = beta_1;
        self
    }

    /// The decay of the running mean of squares; by default 0.999.
    pub fn beta_2(mut self, beta_2: f64) -> Self {
        self.beta_2 = beta_2;
        self
    }

    /// What keeps the root away from 0; by default 1e-7.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Lamb> {
        let default = Lamb::new(0.001);
        Ok(Lamb {
            beta_1: config.number("beta_1", default.beta_1)?,
            beta_2: config.number("beta_2", default.beta_2)?,
            epsilon: config.number("epsilon", default.epsilon)?,
            settings: default.settings,
        })
    }
}

impl Optimizer for Lamb {
    fn class_name(&self) -> &'static str {
        "Lamb"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    fn slots(&self) -> &'static [&'static str] {
        &["momentum", "velocity"]
    }

    fn finish(&self, hyper: &Tensor, weight: &Tensor, slots: &[Tensor]) -> Result<Option<Tensor>> {
        let [momentum, velocity] = slots else { return Ok(None) };
        let number = |i| hyper.slice(0, i..i + 1)?.reshape(());
        let norm = |x: &Tensor| x.square()?.sum(&[], false)?.sqrt();
        let update = momentum.mul(&number(5)?)?.div(&velocity.mul(&number(6)?)?.sqrt()?.add(&number(7)?)?)?;
        let (of_weight, of_update) = (norm(weight)?, norm(&update)?);
        let [zero, one] = [0.0, 1.0].map(|x| Tensor::full(&weight.device(), (), DType::F32, x));
        let (zero, one) = (zero?, one?);
        let ratio = of_update.greater(&zero)?.select(&of_weight.div(&of_update)?, &one)?;
        let ratio = of_weight.greater(&zero)?.select(&ratio, &one)?;
        weight.sub(&update.mul(&ratio.mul(&number(0)?)?)?).map(Some)
    }

    fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper {
        let rest = |beta: f64| 1.0 / (1.0 - beta.powf((iteration + 1) as f64));
        let (rest_1, rest_2) = (rest(self.beta_1), rest(self.beta_2));
        self.settings.hyper(learning_rate, [1.0 - self.beta_1, 1.0 - self.beta_2, rest_1, rest_2, self.epsilon])
    }

    fn check(&self) -> Result<()> {
        range("beta_1", self.beta_1, 0.0, 1.0)?;
        range("beta_2", self.beta_2, 0.0, 1.0)?;
        range("epsilon", self.epsilon, 0.0, f64::INFINITY)
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [_, _, _, rest_1, rest_2, ..] = *hyper;
        two(hyper, piece, move |w, g, m, v| (w, m + (g - m) * rest_1, v + (g * g - v) * rest_2));
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        object(json!({ "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon }))
    }
}
