//! The losses, one file each: the formula, from probabilities or logits, and the Keras config.
//!
//! A new loss is a file here and one word in the list below.

use crate::error::{Error, Result};
use crate::layers::{ActivationFn, Config};
use crate::tensor::Tensor;
use std::fmt;

/// How far predictions are from what they should be.
pub trait Loss: fmt::Debug + Send + Sync + 'static {
    /// Keras's class.
    fn class_name(&self) -> &'static str;

    /// One number a sample: the loss averaged over the last axis of the predictions.
    ///
    /// With `logits` the predictions are what [`Loss::link`] is still to be applied to.
    ///
    /// # Errors
    /// Targets that do not fit the predictions, labels out of range.
    fn call(&self, y_true: &Tensor, y_pred: &Tensor, logits: bool) -> Result<Tensor>;

    /// The activation that makes predictions of logits. A model that ends with it is asked for its logits instead, from
    /// which the loss is exact also where a probability is rounded to 0 or 1.
    fn link(&self) -> Option<ActivationFn>;

    /// Whether the user said that the model returns logits.
    fn from_logits(&self) -> bool;

    /// Keras's arguments.
    fn config(&self) -> Config;
}

/// How one number is made of the samples' losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    #[default]
    SumOverBatchSize,
    /// Their sum.
    Sum,
    /// They are left as they are.
    None,
}

impl Reduction {
    /// Keras's name.
    pub fn name(self) -> &'static str {
        match self {
            Reduction::SumOverBatchSize => "sum_over_batch_size",
            Reduction::Sum => "sum",
            Reduction::None => "none",
        }
    }

    /// The loss of a batch from those of its samples, each multiplied by its weight first, if there are any.
    pub fn apply(self, losses: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
        let weighted = match weights {
            Some(weights) => losses.mul(weights)?,
            None => losses.clone(),
        };
        match self {
            Reduction::SumOverBatchSize => weighted.mean(&[], false),
            Reduction::Sum => weighted.sum(&[], false),
            Reduction::None => Ok(weighted),
        }
    }
}

/// Targets in the shape and dtype of the predictions; an axis of extent 1 that one of them lacks is added, as in Keras.
pub(crate) fn match_targets(y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor> {
    let (target, shape) = (y_true.shape(), y_pred.shape());
    let squeezed = |a: &[usize], b: &[usize]| a.split_last().is_some_and(|(&last, rest)| last == 1 && rest == b);
    let y_true = if target == shape {
        y_true.clone()
    } else if squeezed(&shape, &target) || squeezed(&target, &shape) {
        y_true.reshape(shape)?
    } else {
        let message = format!("expected targets of the predictions' shape {shape}, got {target}");
        return Err(Error::shape("loss", message));
    };
    y_true.cast(y_pred.dtype())
}

/// Lists the losses: `module: Class "keras_name";`.
macro_rules! losses {
    ($($module:ident: $class:ident $name:literal;)*) => {
        $(
            mod $module;
            pub use $module::$class;
            impl From<$class> for Box<dyn Loss> {
                fn from(loss: $class) -> Self {
                    Box::new(loss)
                }
            }
        )*

        /// Every loss, for the prelude.
        pub mod all {
            $(pub use super::$module::$class;)*
        }

        /// The modules that hold a loss, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The loss that a Keras config describes; `class` may be the snake-case name.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Config) -> Result<Box<dyn Loss>> {
            match class {
                $(stringify!($class) | $name => Ok(Box::new($class::from_config(config)?)),)*
                _ => {
                    let known = [$(stringify!($class)),*].join(", ");
                    Err(Error::Config(format!("unknown loss `{class}`; known are {known}")))
                }
            }
        }
    };
}

losses! {
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy "sparse_categorical_crossentropy";
}
