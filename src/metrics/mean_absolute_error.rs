//! The mean absolute error, gathered over batches.

use super::Mean;
use crate::error::Result;
use crate::layers::{Config, object};
use crate::losses::Loss;
pub use crate::losses::MeanAbsoluteError;
use crate::tensor::Tensor;
use serde_json::json;

pub(super) fn from_config(_: &Config) -> Result<MeanAbsoluteError> {
    Ok(MeanAbsoluteError::new())
}

/// The loss as a metric: the mean over the samples, whatever the loss's reduction.
impl Mean for MeanAbsoluteError {
    fn class(&self) -> &'static str {
        "MeanAbsoluteError"
    }

    fn title(&self) -> &'static str {
        "mean_absolute_error"
    }

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        self.call(y_true, y_pred, false)
    }

    fn arguments(&self) -> Config {
        object(json!({"name": "mean_absolute_error", "dtype": "float32"}))
    }
}
