//! Cross-entropy of class probabilities and integer labels.

use super::{Loss, Reduction, last_axis, log_probabilities};
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{ActivationFn, Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// `−ln p[label]` ([Keras](https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class)).
///
/// Targets: labels `(batch, …)` or `(batch, …, 1)`, whole numbers of any dtype; predictions `(batch, …, classes)`.
/// Probabilities are divided by their sum and kept within [1e-7, 1 − 1e-7] as in Keras; of logits the loss is exact. A
/// label out of range is an error on the CPU and NaN on a CUDA card; `fit` and `evaluate` look for it beforehand.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparseCategoricalCrossentropy {
    from_logits: bool,
    pub(super) reduction: Reduction,
}

impl SparseCategoricalCrossentropy {
    /// The loss of probabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same of logits: the model's output has no softmax.
    pub fn from_logits() -> Self {
        SparseCategoricalCrossentropy { from_logits: true, ..Self::default() }
    }

    pub(super) fn from_config(config: &Config) -> Result<Self> {
        config.refuse(&["ignore_class"])?;
        last_axis(config)?;
        Ok(SparseCategoricalCrossentropy {
            from_logits: config.flag("from_logits", false)?,
            reduction: Reduction::read(config)?,
        })
    }
}

impl Loss for SparseCategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "SparseCategoricalCrossentropy"
    }

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        let labels = if y_true.dtype().is_float() { y_true.cast(DType::I32)? } else { y_true.clone() };
        if logits {
            return y_pred.sparse_softmax_cross_entropy(&labels);
        }
        let log = log_probabilities(y_pred)?;
        // The op that knows labels, for its errors: 0, or NaN where a CUDA card met a label out of range.
        let checked = log.detach().sparse_softmax_cross_entropy(&labels)?.mul_scalar(0.0)?;
        let hot = labels.reshape(checked.shape())?.one_hot(log.shape().last(), log.dtype())?;
        checked.sub(&log.mul(&hot)?.sum(&[-1], false)?)
    }

    fn link(&self) -> Option<ActivationFn> {
        Some(ActivationFn::Softmax)
    }

    fn takes_logits(&self) -> bool {
        self.from_logits
    }

    fn takes_labels(&self) -> bool {
        true
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn config(&self) -> Config {
        object(json!({
            "name": "sparse_categorical_crossentropy", "reduction": self.reduction.name(),
            "from_logits": self.from_logits, "ignore_class": null,
        }))
    }
}
