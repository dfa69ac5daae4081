//! How often probabilities are on the right side of a threshold.

use super::Mean;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Config, Read, object};
use crate::losses::matched;
use crate::tensor::Tensor;
use serde_json::json;

/// How often a probability above the threshold meets the target 1, and another the target 0
/// ([Keras](https://keras.io/api/metrics/accuracy_metrics/#binaryaccuracy-class)).
///
/// Targets, of any dtype, and predictions: both `(batch, …)`; beside `(batch, 1)` the other may be `(batch)`. Default:
/// ½; a probability of just that counts as below.
#[derive(Clone, Copy, Debug)]
pub struct BinaryAccuracy {
    threshold: f64,
}

impl BinaryAccuracy {
    /// The metric with the threshold ½.
    pub fn new() -> BinaryAccuracy {
        BinaryAccuracy { threshold: 0.5 }
    }

    /// What a probability must lie above to mean 1.
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }
}

impl Default for BinaryAccuracy {
    fn default() -> Self {
        BinaryAccuracy::new()
    }
}

impl Mean for BinaryAccuracy {
    const CLASS: &'static str = "BinaryAccuracy";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        let (t, p) = matched("BinaryAccuracy", y_true, y_pred)?;
        let threshold = Tensor::full(&p.device(), (), p.dtype(), self.threshold)?;
        p.greater(&threshold)?.cast(t.dtype())?.equal(&t)?.cast(DType::F32)
    }

    fn arguments(&self) -> Config {
        object(json!({"threshold": self.threshold}))
    }

    fn from_config(config: &Config) -> Result<BinaryAccuracy> {
        Ok(BinaryAccuracy { threshold: config.number("threshold", 0.5)? })
    }
}
