//! How often the likeliest class is the right one, with integer labels.

use super::Mean;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How often the largest prediction stands where the label says
/// ([Keras](https://keras.io/api/metrics/accuracy_metrics/#sparsecategoricalaccuracy-class)).
///
/// Targets: labels `(batch, …)` or `(batch, …, 1)`, of any dtype; predictions, probabilities or logits:
/// `(batch, …, classes)`. Of equal ones the first counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparseCategoricalAccuracy;

impl SparseCategoricalAccuracy {
    /// The metric.
    pub fn new() -> SparseCategoricalAccuracy {
        SparseCategoricalAccuracy
    }
}

impl Mean for SparseCategoricalAccuracy {
    const CLASS: &'static str = "SparseCategoricalAccuracy";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        let picked = y_pred.argmax(-1)?;
        let (t, p) = (y_true.shape(), picked.shape());
        let column = t.rank() == p.rank() + 1 && t.last() == 1 && t[..p.rank()] == p[..];
        if t != p && !column {
            let message = format!("expected labels {p} for predictions {}, got {t}", y_pred.shape());
            return Err(Error::shape("SparseCategoricalAccuracy", message));
        }
        // A type that holds every label and every class.
        let dtype = if y_true.dtype().is_float() { DType::F32 } else { DType::I64 };
        let wanted = y_true.reshape(p)?.cast(dtype)?;
        picked.cast(dtype)?.equal(&wanted)?.cast(DType::F32)
    }
}
