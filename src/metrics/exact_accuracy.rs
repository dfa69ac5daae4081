//! How often predictions equal the targets.

use super::Mean;
use crate::dtype::DType;
use crate::error::Result;
use crate::losses::matched;
use crate::tensor::Tensor;

/// How often the prediction equals the target: Keras's class
/// [`Accuracy`](https://keras.io/api/metrics/accuracy_metrics/#accuracy-class), for predicted labels. For probabilities
/// take [`super::Accuracy`], Keras's word `"accuracy"`.
///
/// Targets and predictions, of any dtype: both `(batch, …)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExactAccuracy;

impl ExactAccuracy {
    /// The metric.
    pub fn new() -> ExactAccuracy {
        ExactAccuracy
    }
}

impl Mean for ExactAccuracy {
    const CLASS: &'static str = "Accuracy";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        let (t, p) = matched("Accuracy", y_true, y_pred)?;
        p.equal(&t)?.cast(DType::F32)
    }
}
