//! The loss of Tversky.

use super::{EPSILON, Loss, Reduction, axes_named, matched, of_values, over};
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// 1 − s / (s + α Σ t (1 − p) + β Σ p (1 − t) + 1e-7) with s = Σ t p: [`super::Dice`] with weights for what was missed,
/// α, and for what was found wrongly, β ([Keras](https://keras.io/api/losses/regression_losses/#tversky-class); [Salehi
/// et al., 2017](https://arxiv.org/abs/1706.05721)).
///
/// Targets t, of any dtype, and predictions p: both `(batch, …)`; beside `(batch, 1)` the other may be `(batch)`.
/// Defaults: α = β = ½. Sums are over everything, so that a batch has one loss, unless axes are named. Which of the two
/// α and β weigh is as Keras computes it.
#[derive(Clone, Debug)]
pub struct Tversky {
    alpha: f64,
    beta: f64,
    axis: Option<Vec<i64>>,
    pub(super) reduction: Reduction,
}

impl Tversky {
    /// The loss of a whole batch with α = β = ½.
    pub fn new() -> Tversky {
        Tversky { alpha: 0.5, beta: 0.5, axis: None, reduction: Reduction::default() }
    }

    /// The weight of what should have been found and was not.
    pub fn alpha(mut self, alpha: f64) -> Tversky {
        self.alpha = alpha;
        self
    }

    /// The weight of what was found and should not have been.
    pub fn beta(mut self, beta: f64) -> Tversky {
        self.beta = beta;
        self
    }

    /// The axes that the sums are over.
    pub fn axis(mut self, axes: &[i64]) -> Tversky {
        self.axis = Some(axes.to_vec());
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Tversky> {
        Ok(Tversky {
            alpha: config.number("alpha", 0.5)?,
            beta: config.number("beta", 0.5)?,
            axis: config.integers("axis")?,
            reduction: Reduction::read(config)?,
        })
    }
}

impl Default for Tversky {
    fn default() -> Tversky {
        Tversky::new()
    }
}

impl Loss for Tversky {
    of_values!(Tversky);

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, _: bool) -> Result<Tensor> {
        let (t, p) = matched("Tversky", y_true, y_pred)?;
        let sum = |x: Tensor| over(&x, self.axis.as_deref());
        let shared = sum(t.mul(&p)?)?;
        let missed = sum(p.rescale(-1.0, 1.0)?.mul(&t)?)?.mul_scalar(self.alpha)?;
        let wrong = sum(t.rescale(-1.0, 1.0)?.mul(&p)?)?.mul_scalar(self.beta)?;
        shared.div(&shared.add(&missed)?.add(&wrong)?.add_scalar(EPSILON)?)?.rescale(-1.0, 1.0)
    }

    fn config(&self) -> Config {
        object(json!({"alpha": self.alpha, "beta": self.beta, "axis": axes_named(self.axis.as_deref())}))
    }
}
