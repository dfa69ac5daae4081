//! The metrics, one file each, accumulated on the device.
//!
//! A new metric is a file here and one word in the list below.

use crate::error::{Error, Result};
use crate::layers::Config;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use std::fmt;

/// A figure that is gathered over batches.
pub trait Metric: fmt::Debug + Send + Sync + 'static {
    /// Keras's class.
    fn class_name(&self) -> &'static str;

    /// The name in logs, history and progress bar: `accuracy`.
    fn name(&self) -> String;

    /// The shapes of the numbers that are kept between batches; they start at 0, in f32.
    fn state(&self) -> Vec<Shape>;

    /// The new state after a batch, each sample counted `weights` times, once if there are none.
    ///
    /// # Errors
    /// Targets that do not fit the predictions.
    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors>;

    /// The figure that the state stands for; NaN before the first batch.
    fn result(&self, state: &[Vec<f32>]) -> f64;

    /// Keras's arguments.
    fn config(&self) -> Config;
}

/// The state of a mean: the sum and the count.
pub(crate) fn mean_state() -> Vec<Shape> {
    vec![Shape::SCALAR; 2]
}

/// Adds the samples' values to the state of a mean.
pub(crate) fn mean_update(state: &[Tensor], values: &Tensor, weights: Option<&Tensor>) -> Result<Tensors> {
    let [total, count] = state else {
        return Err(Error::Internal("a mean keeps two numbers".into()));
    };
    let (sum, n) = match weights {
        None => (values.sum(&[], false)?, None),
        Some(weights) => (values.mul(weights)?.sum(&[], false)?, Some(weights.sum(&[], false)?)),
    };
    let count = match n {
        Some(n) => count.add(&n)?,
        None => count.add_scalar(values.shape().size() as f64)?,
    };
    Ok([total.add(&sum)?, count].into_iter().collect())
}

/// The mean that a state stands for.
pub(crate) fn mean_result(state: &[Vec<f32>]) -> f64 {
    match state {
        [total, count] => f64::from(total[0]) / f64::from(count[0]),
        _ => f64::NAN,
    }
}

/// Lists the metrics: `module: Class "keras_name";`.
macro_rules! metrics {
    ($($module:ident: $class:ident $name:literal;)*) => {
        $(
            mod $module;
            pub use $module::$class;
            impl From<$class> for Box<dyn Metric> {
                fn from(metric: $class) -> Self {
                    Box::new(metric)
                }
            }
        )*

        /// Every metric, for the prelude.
        pub mod all {
            $(pub use super::$module::$class;)*
        }

        /// The modules that hold a metric, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The metric that a Keras config describes; `class` may be the snake-case name.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Config) -> Result<Box<dyn Metric>> {
            match class {
                $(stringify!($class) | $name => Ok(Box::new($class::from_config(config)?)),)*
                _ => {
                    let known = [$(stringify!($class)),*].join(", ");
                    Err(Error::Config(format!("unknown metric `{class}`; known are {known}")))
                }
            }
        }
    };
}

metrics! {
    accuracy: Accuracy "accuracy";
}
