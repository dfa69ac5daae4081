//! The mean absolute error, gathered over batches.

use super::Mean;
use crate::error::Result;
use crate::losses::Loss;
pub use crate::losses::MeanAbsoluteError;
use crate::tensor::Tensor;

/// The loss as a metric: the mean over the samples, whatever the loss's reduction.
impl Mean for MeanAbsoluteError {
    const CLASS: &'static str = "MeanAbsoluteError";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        self.call(y_true, y_pred, false)
    }
}
