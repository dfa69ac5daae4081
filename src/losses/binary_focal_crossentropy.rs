//! Cross-entropy of yes and no that looks at what is still wrong.

use super::{
    Loss, Reduction, binary_cross_entropy, focus, from_logits, label_smoothing, matched, of_probabilities, smoothed,
};
use crate::error::Result;
use crate::layers::{Config, object};
use crate::ops::Activation;
use crate::tensor::Tensor;
use serde_json::json;

/// (1 − q)^γ times [`super::BinaryCrossentropy`], where q = t p + (1 − t)(1 − p) is the probability given to the
/// target, averaged over the last axis
/// ([Keras](https://keras.io/api/losses/probabilistic_losses/#binaryfocalcrossentropy-class); [Lin et al.,
/// 2017](https://arxiv.org/abs/1708.02002)).
///
/// Targets t in [0, 1], of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the other may
/// be `(batch)`. Defaults: γ = 2, no label smoothing, no balancing; with balancing each loss is multiplied by t α + (1
/// − t)(1 − α), α = ¼. Probabilities are kept within [1e-7, 1 − 1e-7] for the cross-entropy; of logits it is exact.
#[derive(Clone, Copy, Debug)]
pub struct BinaryFocalCrossentropy {
    apply_class_balancing: bool,
    alpha: f64,
    gamma: f64,
    from_logits: bool,
    label_smoothing: f64,
    pub(super) reduction: Reduction,
}

impl BinaryFocalCrossentropy {
    from_logits!("sigmoid");
    label_smoothing!("½", apply_class_balancing: flag = false, alpha: number = 0.25, gamma: number = 2.0);

    /// Whether the two classes are weighted with α and 1 − α.
    pub fn apply_class_balancing(mut self, apply: bool) -> Self {
        self.apply_class_balancing = apply;
        self
    }

    /// The weight α of the class 1 where classes are weighted.
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

impl Default for BinaryFocalCrossentropy {
    fn default() -> Self {
        BinaryFocalCrossentropy {
            apply_class_balancing: false,
            alpha: 0.25,
            gamma: 2.0,
            from_logits: false,
            label_smoothing: 0.0,
            reduction: Reduction::default(),
        }
    }
}

impl Loss for BinaryFocalCrossentropy {
    of_probabilities!(BinaryFocalCrossentropy, Activation::Sigmoid.into());

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        let (t, x) = matched("BinaryFocalCrossentropy", y_true, y_pred)?;
        let t = smoothed(t, self.label_smoothing, 0.5)?;
        let p = if logits { x.sigmoid()? } else { x.clone() };
        // 1 − q = t + p − 2 t p.
        let left = t.add(&p)?.sub(&t.mul(&p)?.mul_scalar(2.0)?)?;
        let mut losses = focus(&left, self.gamma)?.mul(&binary_cross_entropy(&t, &x, logits)?)?;
        if self.apply_class_balancing {
            losses = losses.mul(&t.rescale(2.0 * self.alpha - 1.0, 1.0 - self.alpha)?)?;
        }
        losses.mean(&[-1], false)
    }

    fn config(&self) -> Config {
        object(json!({
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": -1,
            "apply_class_balancing": self.apply_class_balancing,
            "alpha": self.alpha,
            "gamma": self.gamma,
        }))
    }
}
