//! How often the right class is among the likeliest, with one-hot targets.

use super::Mean;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// How often fewer than k predictions are larger than that of the largest target
/// ([Keras](https://keras.io/api/metrics/accuracy_metrics/#topkcategoricalaccuracy-class)).
///
/// Targets, one-hot or soft, of any dtype, and predictions: both `(batch, …, classes)`. Of equal predictions all count,
/// a NaN as less than every number. Default: k = 5.
#[derive(Clone, Copy, Debug)]
pub struct TopKCategoricalAccuracy {
    k: usize,
}

impl TopKCategoricalAccuracy {
    /// The metric with k = 5.
    pub fn new() -> TopKCategoricalAccuracy {
        TopKCategoricalAccuracy { k: 5 }
    }

    /// How many of the likeliest classes count as right.
    pub fn k(mut self, k: usize) -> TopKCategoricalAccuracy {
        self.k = k;
        self
    }
}

impl Default for TopKCategoricalAccuracy {
    fn default() -> TopKCategoricalAccuracy {
        TopKCategoricalAccuracy::new()
    }
}

impl Mean for TopKCategoricalAccuracy {
    const CLASS: &'static str = "TopKCategoricalAccuracy";

    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
        if y_true.shape() != y_pred.shape() {
            let (p, t) = (y_pred.shape(), y_true.shape());
            let message = format!("expected targets of the predictions' shape {p}, got {t}");
            return Err(Error::shape("TopKCategoricalAccuracy", message));
        }
        in_top_k(&y_true.argmax(-1)?, y_pred, self.k)
    }

    fn arguments(&self) -> Config {
        object(json!({"k": self.k}))
    }

    fn from_config(config: &Config) -> Result<TopKCategoricalAccuracy> {
        Ok(TopKCategoricalAccuracy { k: if config.find("k").is_some() { config.size("k")? } else { 5 } })
    }
}

/// Whether fewer than `k` predictions are larger than that of the label, as 0 or 1.
pub(super) fn in_top_k(labels: &Tensor, y_pred: &Tensor, k: usize) -> Result<Tensor> {
    let p = y_pred.cast(DType::F32)?;
    let full = |value| Tensor::full(&p.device(), (), DType::F32, value);
    let least = full(f64::NEG_INFINITY)?;
    let chosen = labels.one_hot(p.shape().last(), DType::F32)?.not_equal(&full(0.0)?)?;
    let numbers = p.equal(&p)?.select(&p, &least)?;
    let of_label = chosen.select(&numbers, &least)?.max(&[-1], true)?;
    let larger = p.greater(&of_label)?.cast(DType::F32)?.sum(&[-1], false)?;
    larger.less(&full(k as f64)?)?.cast(DType::F32)
}
