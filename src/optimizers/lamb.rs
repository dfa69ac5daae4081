//! Adam in steps as large as the weights ask for.

use super::moments::{Moments, moments_setters};
use super::update::two;
use super::{Hyper, Optimizer, Piece, Settings, settings_of};
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::Config;
use crate::schedules::LearningRate;
use crate::tensor::Tensor;

/// m and v as [`super::Adam`]'s, `u = m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)` in step t, counted from 1, and `w ← w −
/// lr·‖w‖ / ‖u‖·u`, the norms over the whole parameter and their quotient 1 where one is 0 (You et al., *Large batch
/// optimization for deep learning: training BERT in 76 minutes*, ICLR 2020;
/// [Keras](https://keras.io/api/optimizers/lamb/)). The norms are ops, some ten launches for each parameter on a CUDA
/// card.
///
/// Defaults: learning rate 0.001, β₁ 0.9, β₂ 0.999, ε 1e-7.
#[derive(Clone, Debug)]
pub struct Lamb {
    pub(super) settings: Settings,
    moments: Moments,
}

static KERNEL: Kernel = Kernel::new("optimizers", "lamb", &[DType::F32]);

impl Lamb {
    /// Lamb at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Lamb {
        Lamb { settings: Settings::new(learning_rate), moments: Moments::default() }
    }

    moments_setters!(moments: "running mean of squares");

    pub(super) fn from_config(config: &Config) -> Result<Lamb> {
        Ok(Lamb { settings: Settings::new(0.001), moments: Moments::from_config(config)? })
    }
}

impl Optimizer for Lamb {
    settings_of!(Lamb);

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
        let Moments { beta_1, beta_2, epsilon } = self.moments;
        let rest = |beta: f64| 1.0 / (1.0 - beta.powf((iteration + 1) as f64));
        self.settings.hyper(learning_rate, [1.0 - beta_1, 1.0 - beta_2, rest(beta_1), rest(beta_2), epsilon])
    }

    fn check(&self) -> Result<()> {
        self.moments.check()
    }

    fn update(&self, hyper: &Hyper, piece: Piece) {
        let [_, _, _, rest_1, rest_2, ..] = *hyper;
        two(hyper, piece, move |w, g, m, v| (w, m + (g - m) * rest_1, v + (g * g - v) * rest_2));
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        Some(&KERNEL)
    }

    fn config(&self) -> Config {
        self.moments.config()
    }
}
