//! The cosine of the angle between targets and predictions, gathered over batches.

use super::Mean;
use crate::error::Result;
pub use crate::losses::CosineSimilarity;
use crate::losses::Loss;
use crate::tensor::Tensor;

/// The loss with its sign turned: 1 where targets and predictions point the same way
/// ([Keras](https://keras.io/api/metrics/regression_metrics/#cosinesimilarity-class)).
impl Mean for CosineSimilarity {
    const CLASS: &'static str = "CosineSimilarity";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        self.call(y_true, y_pred, false)?.negative()
    }
}
