//! The metrics, one file each, accumulated on the device.
//!
//! A new metric is a file here and one word in the list below. Nothing waits for the device: metrics are tensor ops.

mod mean;
mod named;

pub use mean::Mean;
pub(crate) use mean::mean_result;
pub use named::Named;

use crate::error::{Error, Result};
use crate::layers::{Config, Read};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};
use std::fmt;

/// A figure that is gathered over batches.
pub trait Metric: fmt::Debug + Send + Sync + 'static {
    /// Keras's class, or its word for what it chooses a class for.
    fn class_name(&self) -> &'static str;

    /// The name in logs, history and progress bar: `accuracy`.
    fn name(&self) -> String;

    /// The shapes of the numbers that are kept between batches; they start at 0, in f32.
    fn state(&self) -> Vec<Shape>;

    /// The new state after a batch, each sample counted `weights` times, once if there are none. Weights are one a sample,
    /// `(batch)` or `(batch, 1)`, or one for each value.
    ///
    /// # Errors
    /// Targets that do not fit the predictions.
    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors>;

    /// The figure that the state stands for; a mean is 0 before the first batch, as in Keras.
    fn result(&self, state: &[Vec<f32>]) -> f64;

    /// Keras's arguments.
    fn config(&self) -> Config;
}

impl dyn Metric {
    /// Keras's serialized form: an object, or the word for what it chooses a class for.
    pub fn serialized(&self) -> Value {
        match self.class_name() {
            "accuracy" if self.name() == "acc" => "acc".into(),
            word @ "accuracy" => word.into(),
            class => json!({
                "module": "keras.metrics",
                "class_name": class,
                "config": self.config(),
                "registered_name": null,
            }),
        }
    }
}

/// Lists the metrics: `module: Class "name" "alias" …;`, Keras's class and the other names that it takes.
macro_rules! metrics {
    ($($module:ident: $class:ident $($name:literal)+;)*) => {
        $(
            mod $module;
            pub use $module::$class;
            impl From<$class> for Box<dyn Metric> {
                fn from(metric: $class) -> Self {
                    Box::new(metric)
                }
            }
            impl $class {
                /// The metric under this name in logs, history and a `.keras` file.
                pub fn named(self, name: &str) -> Named {
                    Named { metric: Box::new(self), name: name.into() }
                }
            }
        )*

        /// Every metric, for the prelude.
        pub mod all {
            $(pub use super::$module::$class;)*
        }

        /// The modules that hold a metric, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The metric that a Keras config describes; `class` is Keras's class or another of its names, such as `mae`,
        /// which is then the metric's name too.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Config) -> Result<Box<dyn Metric>> {
            let metric: Box<dyn Metric> = match class {
                $($($name)|+ => Box::new($class::from_config(config)?),)*
                _ => {
                    let known = [$($($name),+),*].join(", ");
                    return Err(Error::Config(format!("unknown metric `{class}`; known are {known}")));
                }
            };
            let called = if class == metric.class_name() { metric.name() } else { class.into() };
            let name = config.word("name", &called)?;
            Ok(if name == metric.name() { metric } else { Box::new(Named { metric, name }) })
        }
    };
}

metrics! {
    accuracy: Accuracy "accuracy" "acc";
    binary_accuracy: BinaryAccuracy "BinaryAccuracy" "binary_accuracy";
    categorical_accuracy: CategoricalAccuracy "CategoricalAccuracy" "categorical_accuracy";
    exact_accuracy: ExactAccuracy "Accuracy";
    mean_absolute_error: MeanAbsoluteError "MeanAbsoluteError" "mean_absolute_error" "mae" "MAE";
    mean_squared_error: MeanSquaredError "MeanSquaredError" "mean_squared_error" "mse" "MSE";
    sparse_categorical_accuracy: SparseCategoricalAccuracy "SparseCategoricalAccuracy" "sparse_categorical_accuracy";
}
