//! The mean squared error, gathered over batches.

use super::Mean;
use crate::error::Result;
use crate::layers::{Config, object};
use crate::losses::Loss;
pub use crate::losses::MeanSquaredError;
use crate::tensor::Tensor;
use serde_json::json;

pub(super) fn from_config(_: &Config) -> Result<MeanSquaredError> {
    Ok(MeanSquaredError::new())
}

/// The loss as a metric: the mean over the samples, whatever the loss's reduction.
impl Mean for MeanSquaredError {
    fn class(&self) -> &'static str {
        "MeanSquaredError"
    }

    fn title(&self) -> &'static str {
        "mean_squared_error"
    }

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        self.call(y_true, y_pred, false)
    }

    fn arguments(&self) -> Config {
        object(json!({"name": "mean_squared_error", "dtype": "float32"}))
    }
}
