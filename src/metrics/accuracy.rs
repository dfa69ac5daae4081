//! How often predictions are right, for any kind of target.

use super::{BinaryAccuracy, CategoricalAccuracy, Mean, SparseCategoricalAccuracy};
use crate::error::Result;
use crate::tensor::Tensor;

/// How often the prediction is right, as Keras understands the word `"accuracy"`: by the shapes it is
///
/// - [`BinaryAccuracy`] where the predictions' last axis has the extent 1,
/// - [`SparseCategoricalAccuracy`] where the targets have an axis less than the predictions, or a last one of extent 1,
/// - [`CategoricalAccuracy`] elsewhere.
///
/// Keras's class `Accuracy`, which asks for equality, is [`super::ExactAccuracy`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Accuracy;

impl Accuracy {
    /// The metric.
    pub fn new() -> Accuracy {
        Accuracy
    }
}

impl Mean for Accuracy {
    const CLASS: &'static str = "accuracy";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        let (t, p) = (y_true.shape(), y_pred.shape());
        if p.last() == 1 {
            BinaryAccuracy::new().values(y_true, y_pred)
        } else if t.rank() < p.rank() || t.last() == 1 {
            SparseCategoricalAccuracy.values(y_true, y_pred)
        } else {
            CategoricalAccuracy.values(y_true, y_pred)
        }
    }
}
