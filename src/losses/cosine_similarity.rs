//! The cosine of the angle between targets and predictions.

use super::{EPSILON, Loss, Reduction, last_axis, matched, of_values};
use crate::error::Result;
use crate::layers::Config;
use crate::tensor::Tensor;

/// −Σ t p / (‖t‖ ‖p‖) over the last axis: −1 where they point the same way, 0 at a right angle
/// ([Keras](https://keras.io/api/losses/regression_losses/#cosinesimilarity-class)).
///
/// Targets t, of any dtype, and predictions p: both `(batch, …, outputs)`. Lengths are taken as at least 1e-7. It is a
/// metric too, there with the other sign.
#[derive(Clone, Copy, Debug, Default)]
pub struct CosineSimilarity {
    pub(super) reduction: Reduction,
}

impl CosineSimilarity {
    /// The loss.
    pub fn new() -> CosineSimilarity {
        CosineSimilarity::default()
    }

    pub(super) fn from_config(config: &Config) -> Result<CosineSimilarity> {
        last_axis(config)?;
        Ok(CosineSimilarity { reduction: Reduction::read(config)? })
    }
}

impl Loss for CosineSimilarity {
    of_values!(CosineSimilarity);

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, _: bool) -> Result<Tensor> {
        let (t, p) = matched("CosineSimilarity", y_true, y_pred)?;
        unit(&t)?.mul(&unit(&p)?)?.sum(&[-1], false)?.negative()
    }

    fn config(&self) -> Config {
        Config::new()
    }
}

/// Vectors of the last axis at the length 1.
fn unit(x: &Tensor) -> Result<Tensor> {
    x.div(&x.square()?.sum(&[-1], true)?.clip(EPSILON * EPSILON, f64::INFINITY)?.sqrt()?)
}
