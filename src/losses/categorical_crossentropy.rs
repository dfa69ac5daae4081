//! Cross-entropy of class probabilities and the distribution they should have.

use super::{Loss, Reduction, from_logits, label_smoothing, log_probabilities, matched, of_probabilities, smoothed};
use crate::error::Result;
use crate::layers::{ActivationFn, Config, object};
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
    from_logits!("softmax");
    label_smoothing!("equal shares");
}

impl Loss for CategoricalCrossentropy {
    of_probabilities!(CategoricalCrossentropy, ActivationFn::Softmax);

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        let (t, p) = matched("CategoricalCrossentropy", y_true, y_pred)?;
        let t = smoothed(t, self.label_smoothing, 1.0 / p.shape().last() as f64)?;
        if logits { p.softmax_cross_entropy(&t) } else { log_probabilities(&p)?.mul(&t)?.sum(&[-1], false)?.negative() }
    }

    fn config(&self) -> Config {
        object(json!({"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, "axis": -1}))
    }
}
