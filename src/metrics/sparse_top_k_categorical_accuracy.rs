//! How often the right class is among the likeliest, with integer labels.

use super::Mean;
use super::top_k_categorical_accuracy::in_top_k;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::ops::whole;
use crate::tensor::Tensor;
use serde_json::json;

/// How often fewer than k predictions are larger than that of the label
/// ([Keras](https://keras.io/api/metrics/accuracy_metrics/#sparsetopkcategoricalaccuracy-class)).
///
/// Targets: labels `(batch, …)` or `(batch, …, 1)`, whole numbers of any dtype; predictions `(batch, …, classes)`. Of
/// equal predictions all count, a NaN as less than every number. Default: k = 5.
#[derive(Clone, Copy, Debug)]
pub struct SparseTopKCategoricalAccuracy {
    k: usize,
}

impl SparseTopKCategoricalAccuracy {
    /// The metric with k = 5.
    pub fn new() -> SparseTopKCategoricalAccuracy {
        SparseTopKCategoricalAccuracy { k: 5 }
    }

    /// How many of the likeliest classes count as right.
    pub fn k(mut self, k: usize) -> SparseTopKCategoricalAccuracy {
        self.k = k;
        self
    }
}

impl Default for SparseTopKCategoricalAccuracy {
    fn default() -> SparseTopKCategoricalAccuracy {
        SparseTopKCategoricalAccuracy::new()
    }
}

impl Mean for SparseTopKCategoricalAccuracy {
    const CLASS: &'static str = "SparseTopKCategoricalAccuracy";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        let (t, p) = (y_true.shape(), y_pred.shape());
        if p.rank() == 0 || t.size() != p.rows() || (p.rank() > 1 && t.first() != p.first()) {
            let message = format!("expected one label for each prediction of {p}, got {t}");
            return Err(Error::shape("SparseTopKCategoricalAccuracy", message));
        }
        in_top_k(&whole(&y_true.reshape(p.without(p.rank() - 1))?)?, y_pred, self.k)
    }

    fn arguments(&self) -> Config {
        object(json!({"k": self.k}))
    }

    fn from_config(config: &Config) -> Result<SparseTopKCategoricalAccuracy> {
        config.refuse(&["from_sorted_ids"])?;
        Ok(SparseTopKCategoricalAccuracy { k: if config.find("k").is_some() { config.size("k")? } else { 5 } })
    }
}
