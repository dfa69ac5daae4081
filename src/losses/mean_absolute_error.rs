//! The mean absolute error.

use super::{Loss, Reduction, matched};
use crate::error::Result;
use crate::layers::{ActivationFn, Config, object};
use crate::tensor::Tensor;
use serde_json::json;

/// |t − p|, averaged over the last axis
/// ([Keras](https://keras.io/api/losses/regression_losses/#meanabsoluteerror-class)).
///
/// Targets t, of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the other may be `(batch)`.
/// It is a metric too.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanAbsoluteError {
    pub(super) reduction: Reduction,
}

impl MeanAbsoluteError {
    /// The loss.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn from_config(config: &Config) -> Result<Self> {
        Ok(MeanAbsoluteError { reduction: Reduction::read(config)? })
    }
}

impl Loss for MeanAbsoluteError {
    fn class_name(&self) -> &'static str {
        "MeanAbsoluteError"
    }

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, _: bool) -> Result<Tensor> {
        let (t, p) = matched("MeanAbsoluteError", y_true, y_pred)?;
        p.sub(&t)?.abs()?.mean(&[-1], false)
    }

    fn link(&self) -> Option<ActivationFn> {
        None
    }

    fn takes_logits(&self) -> bool {
        false
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn config(&self) -> Config {
        object(json!({"name": "mean_absolute_error", "reduction": self.reduction.name()}))
    }
}
