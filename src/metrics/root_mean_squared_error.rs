//! The root of the mean squared error.

use super::Mean;
use crate::error::Result;
use crate::losses::matched;
use crate::tensor::Tensor;

/// The root of the mean of (t − p)² over all samples and outputs
/// ([Keras](https://keras.io/api/metrics/regression_metrics/#rootmeansquarederror-class)).
///
/// Targets t, of any dtype, and predictions p: both `(batch, …)`; beside `(batch, 1)` the other may be `(batch)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RootMeanSquaredError;

impl RootMeanSquaredError {
    /// The metric.
    pub fn new() -> RootMeanSquaredError {
        RootMeanSquaredError
    }
}

impl Mean for RootMeanSquaredError {
    const CLASS: &'static str = "RootMeanSquaredError";
    /// Keras's is no mean of a function, and counts everything.
    const MASKED: bool = false;

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        let (t, p) = matched("RootMeanSquaredError", y_true, y_pred)?;
        p.sub(&t)?.square()
    }

    fn finish(mean: f64) -> f64 {
        mean.sqrt()
    }
}
