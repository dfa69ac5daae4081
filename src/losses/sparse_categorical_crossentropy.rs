//! Cross-entropy of class probabilities and integer labels.

use super::Loss;
use crate::error::Result;
use crate::layers::{ActivationFn, Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// −ln p[label] ([Keras](https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class)).
///
/// Targets: integer labels `(batch, …)` or `(batch, …, 1)`; predictions `(batch, …, classes)`. Probabilities are divided
/// by their sum and kept within [1e-7, 1 − 1e-7] as in Keras; logits are exact.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparseCategoricalCrossentropy {
    from_logits: bool,
}

impl SparseCategoricalCrossentropy {
    /// The loss of probabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same of logits: the model's output has no softmax.
    pub fn from_logits() -> Self {
        SparseCategoricalCrossentropy { from_logits: true }
    }

    pub(super) fn from_config(config: &Config) -> Result<Self> {
        config.refuse(&["ignore_class"])?;
        Ok(SparseCategoricalCrossentropy { from_logits: config.flag("from_logits", false)? })
    }
}

impl Loss for SparseCategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "SparseCategoricalCrossentropy"
    }

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        if logits {
            return y_pred.sparse_softmax_cross_entropy(y_true);
        }
        // ln p is as good as a logit: softmax divides by the sum.
        y_pred.div(&y_pred.sum(&[-1], true)?)?.clip(1e-7, 1.0 - 1e-7)?.log()?.sparse_softmax_cross_entropy(y_true)
    }

    fn link(&self) -> Option<ActivationFn> {
        Some(ActivationFn::Softmax)
    }

    fn from_logits(&self) -> bool {
        self.from_logits
    }

    fn config(&self) -> Config {
        object(json!({
            "name": "sparse_categorical_crossentropy", "reduction": "sum_over_batch_size",
            "from_logits": self.from_logits, "ignore_class": null, "axis": -1,
        }))
    }
}
