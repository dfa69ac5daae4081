//! The metrics, one file each, accumulated on the device.
//!
//! A new metric is a file here and one word in the list below. Nothing waits for the device: metrics are tensor ops.

mod at_constraint;
mod confusion_matrix;
mod counts;
mod frechet_distance;
mod jacobi;
mod mean;
mod named;
mod overlap;
pub mod text;

pub use auc::{Curve, Summation};
pub use confusion_matrix::confusion_matrix;
pub use fbeta_score::Average;
pub use frechet_distance::frechet_distance;
pub use mean::Mean;
pub(crate) use mean::mean_result;
pub use named::Named;
pub use r2_score::Aggregation;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::registry::registry;
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

    /// The shapes of the numbers that are kept between batches, for predictions whose last axis has the extent
    /// `outputs`; they start at 0, in f32.
    ///
    /// # Errors
    /// An extent that the metric cannot do with.
    fn state(&self, outputs: usize) -> Result<Vec<Shape>>;

    /// The new state after a batch, each sample counted `weights` times, once if there are none. Weights are one a
    /// sample, `(batch)` or `(batch, 1)`, or one for each value.
    ///
    /// # Errors
    /// Targets that do not fit the predictions.
    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors>;

    /// The figure that the state stands for, or several, such as one for each class; a mean is 0 before the first
    /// batch, as in Keras. How many there are follows from the shapes of the state.
    fn result(&self, state: &[Vec<f32>]) -> Vec<f64>;

    /// Whether training counts samples by their weights: what Keras's `weighted_metrics` do and its `metrics` do not.
    fn is_weighted(&self) -> bool {
        false
    }

    /// Whether what the predictions' mask leaves out does not count. As in Keras, only what is a mean of a function of targets
    /// and predictions knows masks.
    fn is_masked(&self) -> bool {
        false
    }

    /// Keras's arguments.
    fn config(&self) -> Config;
}

impl dyn Metric {
    /// Keras's serialized form: an object, or the word for what it chooses a class for.
    pub fn serialized(&self) -> Value {
        match self.class_name() {
            "accuracy" if self.name() == "acc" => "acc".into(),
            word @ "accuracy" => word.into(),
            class => REGISTRY.serialized(class, self.config()),
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
                    Named { weighted: false, metric: Box::new(self), name: name.into() }
                }

                /// The metric with samples counted by their weights, as by Keras's `weighted_metrics`.
                pub fn weighted(self) -> Named {
                    Named::weighing(Box::new(self))
                }
            }
        )*

        /// Every metric, for the prelude.
        pub mod all {
            $(pub use super::$module::$class;)*
        }

        /// The modules that hold a metric, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The classes that a model file can name, and Keras's other names of them.
        pub const CLASSES: &[&str] = &[$($($name),+),*];

        /// The metric that a Keras config describes; `class` is Keras's class or another of its names, such as `mae`,
        /// which is then the metric's name too.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Config) -> Result<Box<dyn Metric>> {
            let metric: Box<dyn Metric> = match class {
                $($($name)|+ => Box::new($class::from_config(config)?),)*
                _ => REGISTRY.make(class, config)?,
            };
            // A word of Keras's is a name.
            let is_word = class != metric.class_name() && CLASSES.contains(&class);
            let called = if is_word { class.into() } else { metric.name() };
            let name = config.word("name", &called)?;
            Ok(if name == metric.name() { metric } else { Box::new(Named { metric, name, weighted: false }) })
        }
    };
}

/// Numbers, or one of them.
fn numbers(config: &Config, name: &str) -> Result<Option<Vec<f64>>> {
    let Some(value) = config.find(name) else { return Ok(None) };
    let list = match value {
        Value::Array(items) => items.iter().map(Value::as_f64).collect(),
        one => one.as_f64().map(|x| vec![x]),
    };
    let wrong = || Error::Config(format!("argument `{name}`: expected numbers, got {value}"));
    list.map(Some).ok_or_else(wrong)
}

/// A whole number that may be absent.
fn place(config: &Config, name: &str) -> Result<Option<usize>> {
    config.find(name).map(|_| config.size(name)).transpose()
}

/// How many classes or thresholds a metric may have, since a file could ask for more than there is memory.
const MOST: usize = 4096;

/// Checks that a number of classes or thresholds is at least `least` and at most [`MOST`].
fn count(name: &str, n: usize, least: usize) -> Result<usize> {
    if (least..=MOST).contains(&n) {
        return Ok(n);
    }
    Err(Error::Config(format!("argument `{name}`: expected {least} to {MOST}, got {n}")))
}

/// Counts added up by segment. One after the other: in f32 a count would stand still at 2²⁴.
fn segment_sum(counts: &Tensor, segments: &Tensor, count: usize) -> Result<Tensor> {
    counts.cast(DType::F64)?.segment_sum(segments, count)?.cast(DType::F32)
}

/// The config of a metric: its name, the type that Keras accumulates in, and its arguments.
fn config_of(metric: &dyn Metric, dtype: &str, arguments: Config) -> Config {
    let mut config = object(json!({"name": metric.name(), "dtype": dtype}));
    config.extend(arguments);
    config
}

registry!(metrics: "metric" in "keras.metrics", Metric);

metrics! {
    accuracy: Accuracy "accuracy" "acc";
    auc: AUC "AUC" "auc";
    binary_accuracy: BinaryAccuracy "BinaryAccuracy" "binary_accuracy";
    binary_crossentropy: BinaryCrossentropy "BinaryCrossentropy" "binary_crossentropy" "bce" "BCE";
    binary_iou: BinaryIoU "BinaryIoU" "binary_io_u";
    categorical_accuracy: CategoricalAccuracy "CategoricalAccuracy" "categorical_accuracy";
    categorical_crossentropy: CategoricalCrossentropy "CategoricalCrossentropy" "categorical_crossentropy";
    categorical_hinge: CategoricalHinge "CategoricalHinge" "categorical_hinge";
    cosine_similarity: CosineSimilarity "CosineSimilarity" "cosine_similarity";
    exact_accuracy: ExactAccuracy "Accuracy";
    f1_score: F1Score "F1Score" "f1_score";
    false_negatives: FalseNegatives "FalseNegatives" "false_negatives";
    false_positives: FalsePositives "FalsePositives" "false_positives";
    fbeta_score: FBetaScore "FBetaScore" "f_beta_score";
    hinge: Hinge "Hinge" "hinge";
    iou: IoU "IoU" "io_u";
    kl_divergence: KLDivergence "KLDivergence" "kl_divergence";
    log_cosh_error: LogCosh "LogCoshError" "log_cosh_error";
    mean_absolute_error: MeanAbsoluteError "MeanAbsoluteError" "mean_absolute_error" "mae" "MAE";
    mean_absolute_percentage_error: MeanAbsolutePercentageError
        "MeanAbsolutePercentageError" "mean_absolute_percentage_error" "mape" "MAPE";
    mean_iou: MeanIoU "MeanIoU" "mean_io_u";
    mean_squared_error: MeanSquaredError "MeanSquaredError" "mean_squared_error" "mse" "MSE";
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError
        "MeanSquaredLogarithmicError" "mean_squared_logarithmic_error" "msle" "MSLE";
    one_hot_iou: OneHotIoU "OneHotIoU" "one_hot_io_u";
    one_hot_mean_iou: OneHotMeanIoU "OneHotMeanIoU" "one_hot_mean_io_u";
    poisson: Poisson "Poisson" "poisson";
    precision: Precision "Precision" "precision";
    precision_at_recall: PrecisionAtRecall "PrecisionAtRecall";
    r2_score: R2Score "R2Score" "r2_score";
    recall: Recall "Recall" "recall";
    recall_at_precision: RecallAtPrecision "RecallAtPrecision";
    root_mean_squared_error: RootMeanSquaredError "RootMeanSquaredError" "root_mean_squared_error";
    sensitivity_at_specificity: SensitivityAtSpecificity "SensitivityAtSpecificity";
    sparse_categorical_accuracy: SparseCategoricalAccuracy "SparseCategoricalAccuracy" "sparse_categorical_accuracy";
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy
        "SparseCategoricalCrossentropy" "sparse_categorical_crossentropy";
    sparse_top_k_categorical_accuracy: SparseTopKCategoricalAccuracy
        "SparseTopKCategoricalAccuracy" "sparse_top_k_categorical_accuracy";
    specificity_at_sensitivity: SpecificityAtSensitivity "SpecificityAtSensitivity";
    squared_hinge: SquaredHinge "SquaredHinge" "squared_hinge";
    top_k_categorical_accuracy: TopKCategoricalAccuracy "TopKCategoricalAccuracy" "top_k_categorical_accuracy";
    true_negatives: TrueNegatives "TrueNegatives" "true_negatives";
    true_positives: TruePositives "TruePositives" "true_positives";
}
