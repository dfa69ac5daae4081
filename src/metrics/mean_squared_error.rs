//! The mean squared error, gathered over batches.

use super::Mean;
use crate::error::Result;
use crate::losses::Loss;
pub use crate::losses::MeanSquaredError;
use crate::tensor::Tensor;

/// The loss as a metric: the mean over the samples, whatever the loss's reduction.
impl Mean for MeanSquaredError {
    const CLASS: &'static str = "MeanSquaredError";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        self.call(y_true, y_pred, false)
    }
}
