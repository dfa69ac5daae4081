//! What the metrics that are a mean over the samples share.

use super::{Metric, config_of};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, snake_case};
use crate::losses::weights_for;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use std::fmt;

/// A metric that is the mean over the samples of values that each batch gives.
pub trait Mean: Default + fmt::Debug + Send + Sync + 'static {
    /// Keras's class, or its word for what it chooses a class for.
    const CLASS: &'static str;

    /// Its name; if there is none, the class's in snake case.
    const NAME: Option<&'static str> = None;

    /// The values, `(batch, …)`; a sample counts for the mean of its own.
    ///
    /// # Errors
    /// Targets that do not fit the predictions.
    fn values(&self, y_true: &Tensor, y_pred: &Tensor) -> Result<Tensor>;

    /// Whether what a mask leaves out does not count.
    const MASKED: bool = true;

    /// What is shown of the mean, by default the mean itself.
    fn finish(mean: f64) -> f64 {
        mean
    }

    /// Its own arguments, under Keras's names; by default there are none.
    fn arguments(&self) -> Config {
        Config::new()
    }

    /// The metric with the arguments of a config.
    ///
    /// # Errors
    /// An argument that is not what it should be.
    fn from_config(_: &Config) -> Result<Self> {
        Ok(Self::default())
    }
}

impl<M: Mean> Metric for M {
    fn class_name(&self) -> &'static str {
        M::CLASS
    }

    fn name(&self) -> String {
        M::NAME.map_or_else(|| snake_case(M::CLASS), String::from)
    }

    /// The sum over the samples, and their number or the sum of their weights.
    fn state(&self, _: usize) -> Result<Vec<Shape>> {
        Ok(vec![Shape::SCALAR; 2])
    }

    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors> {
        let [total, count] = state else {
            return Err(Error::Internal("a mean keeps two numbers".into()));
        };
        let values = self.values(y_true, y_pred)?.cast(DType::F32)?;
        let (values, samples) = match weights {
            None => {
                let samples = values.shape().first().copied().unwrap_or(1);
                (values, count.add_scalar(samples as f64)?)
            }
            Some(weights) => {
                let (values, weights) = weights_for(&values, weights)?;
                let weights_alone = by_sample(&weights.broadcast_to(values.shape())?)?;
                (values.mul(&weights)?, count.add(&weights_alone.sum(&[], false)?)?)
            }
        };
        let sum = by_sample(&values)?.sum(&[], false)?;
        Ok([total.add(&sum)?, samples].into_iter().collect())
    }

    fn result(&self, state: &[Vec<f32>]) -> Vec<f64> {
        vec![M::finish(mean_result(state))]
    }

    fn is_masked(&self) -> bool {
        M::MASKED
    }

    fn config(&self) -> Config {
        config_of(self, "float32", self.arguments())
    }
}

/// A loss as a metric, under Keras's name where that is another.
macro_rules! of_loss {
    ($class:ident $(as $keras:literal $name:literal)?) => {
        pub use crate::losses::$class;

        /// The loss as a metric: the mean over the samples, whatever the loss's reduction.
        impl super::Mean for $class {
            super::mean::of_loss!(@class $class $($keras $name)?);

            fn values(
                &self,
                y_true: &crate::tensor::Tensor,
                y_pred: &crate::tensor::Tensor,
            ) -> crate::error::Result<crate::tensor::Tensor> {
                crate::losses::Loss::call(self, y_true, y_pred, false)
            }
        }
    };
    (@class $class:ident) => {
        const CLASS: &'static str = stringify!($class);
    };
    (@class $class:ident $keras:literal $name:literal) => {
        const CLASS: &'static str = $keras;
        const NAME: Option<&'static str> = Some($name);
    };
}
pub(super) use of_loss;

/// A cross-entropy as a metric, of probabilities or of logits, with the arguments that Keras's metric has.
macro_rules! of_cross_entropy {
    ($class:ident: $($key:literal)+) => {
        pub use crate::losses::$class;

        /// The loss as a metric: the mean over the samples, whatever the loss's reduction.
        impl super::Mean for $class {
            const CLASS: &'static str = stringify!($class);

            fn values(
                &self,
                y_true: &crate::tensor::Tensor,
                y_pred: &crate::tensor::Tensor,
            ) -> crate::error::Result<crate::tensor::Tensor> {
                use crate::losses::Loss;
                self.call(y_true, y_pred, self.takes_logits())
            }

            fn arguments(&self) -> crate::layers::Config {
                let own = crate::losses::Loss::config(self);
                let value = |key: &str| match key {
                    "axis" => (-1).into(),
                    key => own.get(key).cloned().unwrap_or_default(),
                };
                [$($key),+].into_iter().map(|key| (key.to_string(), value(key))).collect()
            }

            fn from_config(config: &crate::layers::Config) -> crate::error::Result<Self> {
                $class::from_config(config)
            }
        }
    };
}
pub(super) use of_cross_entropy;

/// The mean of each sample's values.
fn by_sample(values: &Tensor) -> Result<Tensor> {
    let axes: [isize; crate::shape::MAX_RANK] = std::array::from_fn(|i| i as isize);
    match values.shape().rank() {
        0 | 1 => Ok(values.clone()),
        rank => values.mean(&axes[1..rank], false),
    }
}

/// The mean that a state of two numbers, sum and count, stands for; that of nothing is 0, as in Keras.
pub(crate) fn mean_result(state: &[Vec<f32>]) -> f64 {
    match state {
        [_, count] if count[0] == 0.0 => 0.0,
        [total, count] => f64::from(total[0]) / f64::from(count[0]),
        _ => f64::NAN,
    }
}
