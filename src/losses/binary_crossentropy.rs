//! Cross-entropy of yes and no.

use super::{EPSILON, Loss, Reduction, last_axis, matched, smoothed};
use crate::error::Result;
use crate::layers::{ActivationFn, Config, Read, object};
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
    /// The loss of probabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same of logits: the model's output has no sigmoid.
    pub fn from_logits() -> Self {
        BinaryCrossentropy { from_logits: true, ..Self::default() }
    }

    /// How far targets are drawn towards ½, from 0 to 1.
    pub fn label_smoothing(mut self, label_smoothing: f64) -> Self {
        self.label_smoothing = label_smoothing;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Self> {
        last_axis(config)?;
        Ok(BinaryCrossentropy {
            from_logits: config.flag("from_logits", false)?,
            label_smoothing: config.number("label_smoothing", 0.0)?,
            reduction: Reduction::read(config)?,
        })
    }
}

impl Loss for BinaryCrossentropy {
    fn class_name(&self) -> &'static str {
        "BinaryCrossentropy"
    }

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        let (t, p) = matched("BinaryCrossentropy", y_true, y_pred)?;
        let t = smoothed(t, self.label_smoothing, 0.5)?;
        let losses = if logits {
            p.sigmoid_cross_entropy(&t)?
        } else {
            let p = p.clip(EPSILON, 1.0 - EPSILON)?;
            let (yes, no) = (t.mul(&p.log()?)?, t.rescale(-1.0, 1.0)?.mul(&p.rescale(-1.0, 1.0)?.log()?)?);
            yes.add(&no)?.negative()?
        };
        losses.mean(&[-1], false)
    }

    fn link(&self) -> Option<ActivationFn> {
        Some(Activation::Sigmoid.into())
    }

    fn takes_logits(&self) -> bool {
        self.from_logits
    }

    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn config(&self) -> Config {
        object(json!({
            "name": "binary_crossentropy", "reduction": self.reduction.name(),
            "from_logits": self.from_logits, "label_smoothing": self.label_smoothing, "axis": -1,
        }))
    }
}
