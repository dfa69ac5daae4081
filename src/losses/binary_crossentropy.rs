//! Cross-entropy of yes and no.

use super::{Loss, Reduction, binary_cross_entropy, from_logits, label_smoothing, matched, of_probabilities, smoothed};
use crate::error::Result;
use crate::layers::{Config, object};
use crate::ops::Activation;
use crate::tensor::Tensor;
use serde_json::json;

/// −t ln p − (1 − t) ln(1 − p), averaged over the last axis
/// ([Keras](https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class)).
///
/// Targets t in [0, 1], of any dtype, and predictions: both `(batch, …, outputs)`; beside `(batch, 1)` the other may be
/// `(batch)`. Probabilities p are kept within [1e-7, 1 − 1e-7] as in Keras; of logits, p = 1 / (1 + e⁻ˣ), the loss is
/// exact. Label smoothing s makes t (1 − s) + s / 2 of t; by default there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct BinaryCrossentropy {
    from_logits: bool,
    label_smoothing: f64,
    pub(super) reduction: Reduction,
}

impl BinaryCrossentropy {
    from_logits!("sigmoid");
    label_smoothing!("½");
}

impl Loss for BinaryCrossentropy {
    of_probabilities!(BinaryCrossentropy, Activation::Sigmoid.into());

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        let (t, p) = matched("BinaryCrossentropy", y_true, y_pred)?;
        let t = smoothed(t, self.label_smoothing, 0.5)?;
        binary_cross_entropy(&t, &p, logits)?.mean(&[-1], false)
    }

    fn config(&self) -> Config {
        object(json!({"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, "axis": -1}))
    }
}
