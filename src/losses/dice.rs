//! The loss of Dice.

use super::{EPSILON, Loss, Reduction, axes_named, matched, of_values, over};
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// 1 − 2 Σ t p / (Σ t + Σ p + 1e-7), for how far two regions overlap
/// ([Keras](https://keras.io/api/losses/regression_losses/#dice-class); Dice, 1945).
///
/// Targets t, of any dtype, and predictions p: both `(batch, …)`; beside `(batch, 1)` the other may be `(batch)`. Sums
/// are over everything, so that a batch has one loss, unless axes are named: over `[1, 2, 3]` of pictures each has its
/// own.
#[derive(Clone, Debug, Default)]
pub struct Dice {
    axis: Option<Vec<i64>>,
    pub(super) reduction: Reduction,
}

impl Dice {
    /// The loss of a whole batch.
    pub fn new() -> Dice {
        Dice::default()
    }

    /// The axes that the sums are over.
    pub fn axis(mut self, axes: &[i64]) -> Dice {
        self.axis = Some(axes.to_vec());
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Dice> {
        Ok(Dice { axis: config.integers("axis")?, reduction: Reduction::read(config)? })
    }
}

impl Loss for Dice {
    of_values!(Dice);

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, _: bool) -> Result<Tensor> {
        let (t, p) = matched("Dice", y_true, y_pred)?;
        let sum = |x: &Tensor| over(x, self.axis.as_deref());
        let both = sum(&t)?.add(&sum(&p)?)?.add_scalar(EPSILON)?;
        sum(&t.mul(&p)?)?.div(&both)?.rescale(-2.0, 1.0)
    }

    fn config(&self) -> Config {
        object(json!({"axis": axes_named(self.axis.as_deref())}))
    }
}
