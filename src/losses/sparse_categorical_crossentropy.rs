//! Cross-entropy of class probabilities and integer labels.

use super::{Loss, Reduction, from_logits, last_axis, log_probabilities, of_probabilities};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{ActivationFn, Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// `−ln p[label]` ([Keras](https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class)).
///
/// Targets: labels `(batch, …)` or `(batch, …, 1)`, whole numbers of any dtype; predictions `(batch, …, classes)`.
/// Probabilities are divided by their sum and kept within [1e-7, 1 − 1e-7] as in Keras; of logits the loss is exact. A
/// label out of range or with a fraction is an error on the CPU, and its loss is NaN on a CUDA card; `fit` and
/// `evaluate` look for the range beforehand.
#[derive(Clone, Copy, Debug, Default)]
pub struct SparseCategoricalCrossentropy {
    from_logits: bool,
    pub(super) reduction: Reduction,
}

impl SparseCategoricalCrossentropy {
    from_logits!("softmax");

    pub(crate) fn from_config(config: &Config) -> Result<Self> {
        config.refuse(&["ignore_class"])?;
        last_axis(config)?;
        Ok(SparseCategoricalCrossentropy {
            from_logits: config.flag("from_logits", false)?,
            reduction: Reduction::read(config)?,
        })
    }
}

impl Loss for SparseCategoricalCrossentropy {
    of_probabilities!(SparseCategoricalCrossentropy, ActivationFn::Softmax);

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor> {
        if y_true.shape() == y_pred.shape() && y_pred.shape().last() > 1 {
            let message = format!("targets of the shape of the predictions, {}, are no labels", y_pred.shape());
            let want = "CategoricalCrossentropy (`categorical_crossentropy`) takes one-hot targets";
            return Err(Error::Data(format!("SparseCategoricalCrossentropy: {message}: {want}")));
        }
        let labels = whole(y_true)?;
        if logits {
            return y_pred.sparse_softmax_cross_entropy(&labels);
        }
        let log = log_probabilities(y_pred)?;
        // The op that knows labels, for its errors: 0, or NaN where a CUDA card met a label out of range.
        let checked = log.detach().sparse_softmax_cross_entropy(&labels)?.mul_scalar(0.0)?;
        let hot = labels.reshape(checked.shape())?.one_hot(log.shape().last(), log.dtype())?;
        checked.sub(&log.mul(&hot)?.sum(&[-1], false)?)
    }

    fn takes_labels(&self) -> bool {
        true
    }

    fn takes_head(&self) -> bool {
        true
    }

    fn config(&self) -> Config {
        object(json!({"from_logits": self.from_logits, "ignore_class": null}))
    }
}

/// The labels as whole numbers. One that is none is an error on the CPU; on a CUDA card it becomes −1, which is no
/// class.
pub(crate) fn whole(y_true: &Tensor) -> Result<Tensor> {
    if !y_true.dtype().is_float() {
        return Ok(y_true.clone());
    }
    let labels = y_true.cast(DType::I32)?;
    let same = labels.cast(y_true.dtype())?.equal(y_true)?;
    if y_true.device().is_cpu() {
        return match same.data::<bool>()?.iter().position(|same| !same) {
            None => Ok(labels),
            Some(at) => {
                let label = y_true.cast(DType::F32)?.data::<f32>()?[at];
                let message = format!("label {label} (element {at}) is no whole number");
                Err(Error::Data(format!("SparseCategoricalCrossentropy: {message}")))
            }
        };
    }
    same.select(&labels, &Tensor::full(&y_true.device(), (), DType::I32, -1.0)?)
}
