//! How often the likeliest class is the right one, with one-hot targets.

use super::Mean;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How often the largest prediction stands where the largest target does
/// ([Keras](https://keras.io/api/metrics/accuracy_metrics/#categoricalaccuracy-class)).
///
/// Targets, one-hot or soft, of any dtype, and predictions, probabilities or logits: both `(batch, …, classes)`. Of
/// equal ones the first counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CategoricalAccuracy;

impl CategoricalAccuracy {
    /// The metric.
    pub fn new() -> CategoricalAccuracy {
        CategoricalAccuracy
    }
}

impl Mean for CategoricalAccuracy {
    const CLASS: &'static str = "CategoricalAccuracy";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        if y_true.shape() != y_pred.shape() {
            let message =
                format!("expected targets of the predictions' shape {}, got {}", y_pred.shape(), y_true.shape());
            return Err(Error::shape("CategoricalAccuracy", message));
        }
        y_pred.argmax(-1)?.equal(&y_true.argmax(-1)?)?.cast(DType::F32)
    }
}
