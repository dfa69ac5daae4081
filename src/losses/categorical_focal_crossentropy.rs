//! Cross-entropy of classes that looks at what is still wrong.

use super::{
    Loss, Reduction, focus, from_logits, label_smoothing, log_probabilities, matched, of_probabilities, smoothed,
};
use crate::error::Result;
use crate::layers::{ActivationFn, Config, object};
use crate::tensor::Tensor;
use serde_json::json;

/// −α Σ t (1 − p)^γ ln p over the classes
/// ([Keras](https://keras.io/api/losses/probabilistic_losses/#categoricalfocalcrossentropy-class);
/// [Lin et al., 2017](https://arxiv.org/abs/1708.02002)).
///
/// Targets t, one-hot or soft, of any dtype, and predictions p: both `(batch, …, classes)`. Probabilities are divided
/// by their sum and kept within [1e-7, 1 − 1e-7]; of logits the logarithm is exact. Defaults: α = ¼, γ = 2, no label
/// smoothing. Keras also takes a weight for each class as α; here it is one number.
#[derive(Clone, Copy, Debug)]
pub struct CategoricalFocalCrossentropy {
    alpha: f64,
    gamma: f64,
    from_logits: bool,
    label_smoothing: f64,
    pub(super) reduction: Reduction,
}

impl CategoricalFocalCrossentropy {
    from_logits!("softmax");
    label_smoothing!("equal shares", alpha: number = 0.25, gamma: number = 2.0);

    /// What all losses are multiplied by.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// How much less what is right already counts.
    pub fn gamma(mut self, gamma: f64) -> Self {
        self.gamma = gamma;
        self
    }
}

impl Default for CategoricalFocalCrossentropy {
    fn default() -> Self {
        CategoricalFocalCrossentropy {
            alpha: 0.25,
            gamma: 2.0,
            from_logits: false,
            label_smoothing: 0.0,
            reduction: Reduction::default(),
        }
    }
}

impl Loss for CategoricalFocalCrossentropy {
    of_probabilities!(CategoricalFocalCrossentropy, ActivationFn::Softmax);

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        let (t, x) = matched("CategoricalFocalCrossentropy", y_true, y_pred)?;
        let t = smoothed(t, self.label_smoothing, 1.0 / x.shape().last() as f64)?;
        let log = if logits { x.log_softmax(-1)? } else { log_probabilities(&x)? };
        let left = log.exp()?.rescale(-1.0, 1.0)?;
        focus(&left, self.gamma)?.mul(&t)?.mul(&log)?.sum(&[-1], false)?.mul_scalar(-self.alpha)
    }

    fn config(&self) -> Config {
        object(json!({
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": -1,
            "alpha": self.alpha,
            "gamma": self.gamma,
        }))
    }
}
