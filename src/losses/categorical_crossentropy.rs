//! Cross-entropy of class probabilities and the distribution they should have.

use super::{Loss, Reduction, last_axis, log_probabilities, matched, smoothed};
use crate::error::Result;
use crate::layers::{ActivationFn, Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// −Σ t ln p over the classes
/// ([Keras](https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class)).
///
/// Targets t, one-hot or soft, of any dtype, and predictions: both `(batch, …, classes)`. Probabilities are divided by
/// their sum and kept within [1e-7, 1 − 1e-7] as in Keras; of logits the loss is exact. Label smoothing s makes
/// t (1 − s) + s / classes of t; by default there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct CategoricalCrossentropy {
    from_logits: bool,
    label_smoothing: f64,
    pub(super) reduction: Reduction,
}

impl CategoricalCrossentropy {
    /// The loss of probabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same of logits: the model's output has no softmax.
    pub fn from_logits() -> Self {
        CategoricalCrossentropy { from_logits: true, ..Self::default() }
    }

    /// How far targets are drawn towards equal shares, from 0 to 1.
    pub fn label_smoothing(mut self, label_smoothing: f64) -> Self {
        self.label_smoothing = label_smoothing;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Self> {
        last_axis(config)?;
        Ok(CategoricalCrossentropy {
            from_logits: config.flag("from_logits", false)?,
            label_smoothing: config.number("label_smoothing", 0.0)?,
            reduction: Reduction::read(config)?,
        })
    }
}

impl Loss for CategoricalCrossentropy {
    fn class_name(&self) -> &'static str {
        "CategoricalCrossentropy"
    }

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        let (t, p) = matched("CategoricalCrossentropy", y_true, y_pred)?;
        let t = smoothed(t, self.label_smoothing, 1.0 / p.shape().last() as f64)?;
        if logits { p.softmax_cross_entropy(&t) } else { log_probabilities(&p)?.mul(&t)?.sum(&[-1], false)?.negative() }
    }

    fn link(&self) -> Option<ActivationFn> {
        Some(ActivationFn::Softmax)
    }

    fn takes_logits(&self) -> bool {
        self.from_logits
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn config(&self) -> Config {
        object(json!({
            "name": "categorical_crossentropy", "reduction": self.reduction.name(),
            "from_logits": self.from_logits, "label_smoothing": self.label_smoothing, "axis": -1,
        }))
    }
}
