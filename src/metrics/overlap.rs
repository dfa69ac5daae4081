//! What the metrics share that compare regions by a confusion matrix.

use super::{Metric, confusion_matrix, count, place};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, Read};
use crate::losses::weights_for;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};

/// Intersection over union of some classes.
#[derive(Clone, Debug)]
pub struct Overlap {
    pub num_classes: usize,
    /// All classes where there are none.
    pub target_class_ids: Option<Vec<usize>>,
    pub ignore_class: Option<i64>,
    pub sparse_y_true: bool,
    pub sparse_y_pred: bool,
    pub axis: isize,
}

impl Overlap {
    /// Of labels and predicted labels, and of all classes.
    pub fn new(num_classes: usize) -> Overlap {
        Overlap {
            num_classes,
            target_class_ids: None,
            ignore_class: None,
            sparse_y_true: true,
            sparse_y_pred: true,
            axis: -1,
        }
    }

    /// With the arguments of a config; which of targets and predictions are labels where it does not say.
    pub fn read(config: &Config, sparse: [bool; 2]) -> Result<Overlap> {
        let mut overlap = Overlap::new(count("num_classes", place(config, "num_classes")?.unwrap_or(0), 1)?);
        if let Some(classes) = config.integers("target_class_ids")? {
            let place = |&class: &i64| usize::try_from(class).ok().filter(|&class| class < overlap.num_classes);
            overlap.target_class_ids = Some(classes.iter().map(place).collect::<Option<_>>().ok_or_else(|| {
                let count = overlap.num_classes;
                Error::Config(format!("argument `target_class_ids`: expected classes below {count}, got {classes:?}"))
            })?);
        }
        overlap.ignore_class = config.integers("ignore_class")?.and_then(|list| list.first().copied());
        overlap.sparse_y_true = config.flag("sparse_y_true", sparse[0])?;
        overlap.sparse_y_pred = config.flag("sparse_y_pred", sparse[1])?;
        overlap.axis = config.number("axis", -1.0)? as isize;
        Ok(overlap)
    }

    /// The confusion matrix.
    pub fn state(&self) -> Result<Vec<Shape>> {
        let n = count("num_classes", self.num_classes, 1)?;
        if let Some(classes) = self.target_class_ids.as_ref().filter(|list| list.iter().any(|&class| class >= n)) {
            let message = format!("argument `target_class_ids`: expected classes below {n}, got {classes:?}");
            return Err(Error::Config(message));
        }
        Ok(vec![Shape::new(&[n, n])?])
    }

    pub fn update(&self, state: &[Tensor], t: &Tensor, p: &Tensor, weights: Option<&Tensor>) -> Result<Tensors> {
        let labels = |x: &Tensor, sparse| if sparse { Ok(x.clone()) } else { x.argmax(self.axis) };
        let (t, p) = (labels(t, self.sparse_y_true)?, labels(p, self.sparse_y_pred)?);
        let mut weights = match weights {
            None => None,
            Some(weights) => {
                let (like, weights) = weights_for(&t.cast(DType::F32)?, weights)?;
                Some(weights.broadcast_to(like.shape())?)
            }
        };
        if let Some(class) = self.ignore_class {
            let ignored = Tensor::full(&t.device(), (), DType::I32, class as f64)?;
            let counted = t.cast(DType::I32)?.not_equal(&ignored)?.cast(DType::F32)?;
            weights = Some(match weights {
                None => counted,
                Some(weights) => weights.reshape(counted.shape())?.mul(&counted)?,
            });
        }
        let matrix = confusion_matrix(&t, &p, self.num_classes, weights.as_ref())?;
        state.iter().map(|state| state.add(&matrix)).collect()
    }

    /// The mean of the classes that occur.
    pub fn result(&self, state: &[Vec<f32>]) -> Vec<f64> {
        let n = self.num_classes;
        let Some(matrix) = state.first().filter(|matrix| n.checked_mul(n) == Some(matrix.len())) else {
            return Vec::new();
        };
        let at = |i: usize, j: usize| f64::from(matrix[i * n + j]);
        let of_class = |class: usize| {
            let either = (0..n).map(|i| at(i, class) + at(class, i)).sum::<f64>() - at(class, class);
            (either > 1e-9).then(|| at(class, class) / (either + 1e-7))
        };
        let found: Vec<f64> = match &self.target_class_ids {
            None => (0..n).filter_map(of_class).collect(),
            Some(classes) => classes.iter().filter(|class| **class < n).filter_map(|&class| of_class(class)).collect(),
        };
        vec![found.iter().sum::<f64>() / (found.len() as f64 + 1e-7)]
    }
}

/// A metric that is an [`Overlap`]; `own` are the arguments that Keras writes.
pub trait OfOverlap: Metric {
    fn overlap(&self) -> &Overlap;
    fn own(&self) -> Config;
}

/// The metric of an [`OfOverlap`].
macro_rules! of_overlap {
    ($class:ident $(, $prepared:expr)?) => {
        impl crate::metrics::Metric for $class {
            fn class_name(&self) -> &'static str {
                stringify!($class)
            }

            fn name(&self) -> String {
                crate::layers::snake_case(stringify!($class))
            }

            fn state(&self, _: usize) -> crate::error::Result<Vec<crate::shape::Shape>> {
                super::overlap::OfOverlap::overlap(self).state()
            }

            fn update(
                &self,
                state: &[crate::tensor::Tensor],
                y_true: &crate::tensor::Tensor,
                y_pred: &crate::tensor::Tensor,
                weights: Option<&crate::tensor::Tensor>,
            ) -> crate::error::Result<crate::tensor::Tensors> {
                $(
                    let prepare: fn(&Self, &crate::tensor::Tensor) -> crate::error::Result<crate::tensor::Tensor> =
                        $prepared;
                    let y_pred = &prepare(self, y_pred)?;
                )?
                super::overlap::OfOverlap::overlap(self).update(state, y_true, y_pred, weights)
            }

            fn result(&self, state: &[Vec<f32>]) -> Vec<f64> {
                super::overlap::OfOverlap::overlap(self).result(state)
            }

            fn config(&self) -> crate::layers::Config {
                super::config_of(self, "int32", super::overlap::OfOverlap::own(self))
            }
        }
    };
}
pub(super) use of_overlap;

/// The setters of an [`Overlap`] in the field 0.
macro_rules! setters {
    ($class:ident: $($setter:ident)+) => {
        impl $class {
            $(super::overlap::setters!(@ $setter);)+
        }

        impl super::overlap::OfOverlap for $class {
            fn overlap(&self) -> &super::overlap::Overlap {
                &self.0
            }

            fn own(&self) -> crate::layers::Config {
                let mut config = crate::layers::Config::new();
                let key = |key: &str| key.to_string();
                config.insert(key("num_classes"), self.0.num_classes.into());
                config.insert(key("axis"), self.0.axis.into());
                $(config.insert(key(stringify!($setter)), serde_json::json!(self.0.$setter));)+
                config
            }
        }
    };
    (@ target_class_ids) => {};
    (@ ignore_class) => {
        /// Samples of this label do not count.
        pub fn ignore_class(mut self, class: i64) -> Self {
            self.0.ignore_class = Some(class);
            self
        }
    };
    (@ sparse_y_true) => {
        /// Whether targets are labels; else their largest along the last axis is.
        pub fn sparse_y_true(mut self, sparse: bool) -> Self {
            self.0.sparse_y_true = sparse;
            self
        }
    };
    (@ sparse_y_pred) => {
        /// Whether predictions are labels; else their largest along the last axis is.
        pub fn sparse_y_pred(mut self, sparse: bool) -> Self {
            self.0.sparse_y_pred = sparse;
            self
        }
    };
}
pub(super) use setters;
