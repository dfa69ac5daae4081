//! What the metrics of yes and no share: how many predictions are rightly and wrongly above each of some thresholds.

use super::{Metric, numbers, place, segment_sum};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, object};
use crate::losses::{matched, weights_for};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};

/// What is counted, and how. A prediction means yes where it is above a threshold, a target where it is not 0.
#[derive(Clone, Debug, Default)]
pub struct Counting {
    /// In ascending order where they are even.
    pub thresholds: Vec<f64>,
    /// The thresholds are 0, 1 / (n − 1), …, 1, so that a prediction's place among them can be computed.
    pub even: bool,
    /// The first and the last threshold lie just below 0 and just above 1.
    pub wide: bool,
    /// Only the largest predictions of a row can mean yes.
    pub top_k: Option<usize>,
    /// Only this class is looked at.
    pub class_id: Option<usize>,
    /// Predictions are logits.
    pub logits: bool,
    /// Each label has its own counts.
    pub by_label: bool,
    /// How often each label, a place of the last axis, counts; where labels have their own counts, in what comes of
    /// them.
    pub label_weights: Option<Vec<f64>>,
}

/// The weights of the samples at each threshold, by whether the prediction means yes and whether it should.
#[derive(Debug)]
pub struct Counts {
    pub true_positives: Vec<f64>,
    pub false_positives: Vec<f64>,
    pub true_negatives: Vec<f64>,
    pub false_negatives: Vec<f64>,
}

impl Counting {
    /// The user's thresholds, or a default.
    ///
    /// # Errors
    /// A threshold that is not in [0, 1].
    pub fn at(thresholds: &Option<Vec<f64>>, default: f64) -> Result<Counting> {
        if let Some(wrong) = thresholds.iter().flatten().find(|t| !(0.0..=1.0).contains(*t)) {
            return Err(Error::Config(format!("argument `thresholds`: expected numbers from 0 to 1, got {wrong}")));
        }
        let thresholds = thresholds.clone().unwrap_or_else(|| vec![default]);
        let last = (thresholds.len() as f64 - 1.0).max(1.0);
        let even =
            thresholds.iter().enumerate().all(|(i, t)| (t - i as f64 / last).abs() <= 1e-7 + 1e-5 * i as f64 / last);
        Ok(Counting { even: even && thresholds.len() > 2, thresholds, ..Counting::default() })
    }

    /// For each label, of samples that should be yes and of those that should not: what lies above no threshold at all
    /// and above each, or where thresholds are even, between each two.
    pub fn state(&self, outputs: usize) -> Result<Vec<Shape>> {
        if let Some(weights) = &self.label_weights
            && (weights.len() != outputs || weights.iter().any(|w| !(*w >= 0.0 && w.is_finite())))
        {
            let message = format!("expected {outputs} numbers of at least 0, one for each label, got {weights:?}");
            return Err(Error::Config(format!("argument `label_weights`: {message}")));
        }
        let labels = if self.by_label { outputs } else { 1 };
        Ok(vec![Shape::new(&[labels, self.thresholds.len() + 1])?; 2])
    }

    /// The state after a batch: targets, of any dtype, and predictions, both `(batch, …)`.
    pub fn update(
        &self,
        what: &'static str,
        state: &[Tensor],
        y_true: &Tensor,
        y_pred: &Tensor,
        weights: Option<&Tensor>,
    ) -> Result<Tensors> {
        let ([positives, negatives], true) = (state, state.iter().all(|table| table.shape().rank() == 2)) else {
            return Err(Error::Internal("counts keep two tables".into()));
        };
        let (mut t, mut p) = matched(what, y_true, &y_pred.cast(DType::F32)?)?;
        if self.logits {
            p = p.sigmoid()?;
        }
        if let Some(k) = self.top_k {
            p = largest(&p, k)?;
        }
        if let Some(class) = self.class_id {
            let classes = p.shape().last();
            if p.shape().rank() < 2 || class >= classes {
                let message = format!("argument `class_id`: {class} is no class of predictions {}", p.shape());
                return Err(Error::shape(what, message));
            }
            [t, p] = [t.slice(-1, class..class + 1)?, p.slice(-1, class..class + 1)?];
        }
        let labels = positives.shape()[0];
        if self.by_label && (p.shape().rank() != 2 || p.shape()[1] != labels) {
            let message = format!("expected predictions (batch, {labels}), got {}", p.shape());
            return Err(Error::shape(what, message));
        }
        let weights = match weights {
            None => Tensor::ones(&p.device(), p.shape(), DType::F32)?,
            Some(weights) => {
                let (like, weights) = weights_for(&p, weights)?;
                weights.broadcast_to(like.shape())?
            }
        };
        let weights = match self.label_weights.as_ref().filter(|_| !self.by_label) {
            None => weights,
            Some(list) => {
                let each = list.iter().map(|&w| Tensor::full(&p.device(), [1], DType::F32, w));
                let each = each.collect::<Result<Vec<_>>>()?;
                weights.mul(&Tensor::concatenate(&each.iter().collect::<Vec<_>>(), 0)?)?
            }
        };
        let rows = p.shape().size() / labels.max(1);
        let [t, p, weights] = [t, p, weights].map(|x| x.reshape([rows, labels]));
        let (p, weights) = (p?, weights?);
        let yes = t?.not_equal(&full(&p, 0.0)?)?.cast(DType::F32)?.mul(&weights)?;
        let no = weights.sub(&yes)?;
        let [of_yes, of_no] = if self.even { self.between(&p, [yes, no]) } else { self.above(&p, [yes, no]) }?;
        Ok([positives.add(&of_yes)?, negatives.add(&of_no)?].into_iter().collect())
    }

    /// The weights of all samples and of those above each threshold.
    fn above(&self, p: &Tensor, weights: [Tensor; 2]) -> Result<[Tensor; 2]> {
        let mut sums: [Vec<Tensor>; 2] = Default::default();
        for threshold in std::iter::once(None).chain(self.thresholds.iter().map(Some)) {
            let above = threshold.map(|&t| p.greater(&full(p, t)?)?.cast(DType::F32)).transpose()?;
            for (sums, weights) in sums.iter_mut().zip(&weights) {
                let counted = match &above {
                    Some(above) => weights.mul(above)?,
                    None => weights.clone(),
                };
                sums.push(counted.sum(&[0], false)?.reshape([p.shape()[1], 1])?);
            }
        }
        let [yes, no] = sums.map(|list| Tensor::concatenate(&list.iter().collect::<Vec<_>>(), -1));
        Ok([yes?, no?])
    }

    /// The weights of the samples by how many thresholds they are above.
    fn between(&self, p: &Tensor, [yes, no]: [Tensor; 2]) -> Result<[Tensor; 2]> {
        let (rows, labels, count) = (p.shape()[0], p.shape()[1], self.thresholds.len());
        let scaled = p.clip(0.0, 1.0)?.mul_scalar(count as f64 - 1.0)?;
        let floor = scaled.cast(DType::I32)?.cast(DType::F32)?;
        let ceiling = floor.add(&floor.less(&scaled)?.cast(DType::F32)?)?;
        let place = ceiling.clip(if self.wide { 1.0 } else { 0.0 }, count as f64)?.cast(DType::I32)?;
        if labels == 1 {
            let both = Tensor::concatenate(&[&yes, &no], 1)?;
            let sums = segment_sum(&both, &place.reshape([rows])?, count + 1)?.transpose(&[1, 0])?;
            return Ok([sums.slice(0, 0..1)?, sums.slice(0, 1..2)?]);
        }
        let hot = place.one_hot(count + 1, DType::F32)?;
        let [yes, no] = [yes, no].map(|weights| hot.mul(&weights.reshape([rows, labels, 1])?)?.sum(&[0], false));
        Ok([yes?, no?])
    }

    /// The counts of each label that a state stands for.
    pub fn counts(&self, state: &[Vec<f32>]) -> Vec<Counts> {
        let width = self.thresholds.len() + 1;
        let [positives, negatives] = state else { return Vec::new() };
        // Of all, and above each threshold.
        let above = |row: &[f32]| -> Vec<f64> {
            let mut sums: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            if self.even {
                (1..width).rev().for_each(|i| sums[i - 1] += sums[i]);
            }
            sums
        };
        let split = |sums: &[f64]| (sums[1..].to_vec(), sums[1..].iter().map(|above| sums[0] - above).collect());
        let label = |(yes, no): (&[f32], &[f32])| {
            let (true_positives, false_negatives) = split(&above(yes));
            let (false_positives, true_negatives) = split(&above(no));
            Counts { true_positives, false_positives, true_negatives, false_negatives }
        };
        positives.chunks_exact(width).zip(negatives.chunks_exact(width)).map(label).collect()
    }
}

fn full(like: &Tensor, value: f64) -> Result<Tensor> {
    Tensor::full(&like.device(), (), DType::F32, value)
}

/// The k largest of each row, of equal ones the first, and −∞ elsewhere.
fn largest(p: &Tensor, k: usize) -> Result<Tensor> {
    let (classes, least) = (p.shape().last(), full(p, f64::NEG_INFINITY)?);
    let (mut left, mut kept) = (p.clone(), least.broadcast_to(p.shape())?);
    for _ in 0..k.min(classes) {
        let chosen = left.argmax(-1)?.one_hot(classes, DType::F32)?.not_equal(&full(p, 0.0)?)?;
        kept = chosen.select(p, &kept)?;
        left = chosen.select(&least, &left)?;
    }
    Ok(kept)
}

/// a / b element by element, 0 where b is 0.
pub fn ratios(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| if *b == 0.0 { 0.0 } else { a / b }).collect()
}

/// a / (a + b) element by element, 0 where that is nothing.
pub fn shares(a: &[f64], b: &[f64]) -> Vec<f64> {
    let sums: Vec<f64> = a.iter().zip(b).map(|(a, b)| a + b).collect();
    ratios(a, &sums)
}

/// The arguments that metrics at thresholds have.
#[derive(Clone, Debug, Default)]
pub struct At {
    pub thresholds: Option<Vec<f64>>,
    pub top_k: Option<usize>,
    pub class_id: Option<usize>,
}

impl At {
    pub fn read(config: &Config) -> Result<At> {
        let thresholds = numbers(config, "thresholds")?;
        Ok(At { thresholds, top_k: place(config, "top_k")?, class_id: place(config, "class_id")? })
    }

    pub fn counting(&self) -> Result<Counting> {
        // Of the largest, all but those that were left out.
        let default = if self.top_k.is_some() { -1e10 } else { 0.5 };
        let (top_k, class_id) = (self.top_k, self.class_id);
        Ok(Counting { top_k, class_id, ..Counting::at(&self.thresholds, default)? })
    }

    /// One threshold as a number, several as a list.
    pub fn thresholds(&self) -> Value {
        match self.thresholds.as_deref() {
            Some(&[one]) => one.into(),
            all => json!(all),
        }
    }

    pub fn config(&self) -> Config {
        object(json!({"thresholds": self.thresholds(), "top_k": self.top_k, "class_id": self.class_id}))
    }
}

/// A metric that is made of counts: `counting`, which rejects arguments, `figures` and `arguments` are its own.
pub trait OfCounts: Metric {
    fn counting(&self) -> Result<Counting>;
    fn figures(&self, counts: &[Counts]) -> Vec<f64>;
    fn arguments(&self) -> Config;
}

/// The metric of an [`OfCounts`].
macro_rules! of_counts {
    ($class:ident) => {
        impl crate::metrics::Metric for $class {
            fn class_name(&self) -> &'static str {
                stringify!($class)
            }

            fn name(&self) -> String {
                crate::layers::snake_case(stringify!($class))
            }

            fn state(&self, outputs: usize) -> crate::error::Result<Vec<crate::shape::Shape>> {
                crate::metrics::counts::OfCounts::counting(self)?.state(outputs)
            }

            fn update(
                &self,
                state: &[crate::tensor::Tensor],
                y_true: &crate::tensor::Tensor,
                y_pred: &crate::tensor::Tensor,
                weights: Option<&crate::tensor::Tensor>,
            ) -> crate::error::Result<crate::tensor::Tensors> {
                let counting = crate::metrics::counts::OfCounts::counting(self)?;
                counting.update(stringify!($class), state, y_true, y_pred, weights)
            }

            fn result(&self, state: &[Vec<f32>]) -> Vec<f64> {
                use crate::metrics::counts::OfCounts;
                self.counting().map(|counting| self.figures(&counting.counts(state))).unwrap_or_default()
            }

            fn config(&self) -> crate::layers::Config {
                super::config_of(self, "float32", crate::metrics::counts::OfCounts::arguments(self))
            }
        }
    };
}
pub(super) use of_counts;

/// A metric that is one of the four counts.
macro_rules! one_count {
    ($(#[$doc:meta])* $class:ident $count:ident) => {
        $(#[$doc])*
        ///
        /// Targets, of any dtype, and predictions: both `(batch, …)`; beside `(batch, 1)` the other may be `(batch)`. A
        /// prediction above the threshold means yes, and a target that is not 0. Default: the threshold ½; of several
        /// each has its figure.
        #[derive(Clone, Debug, Default)]
        pub struct $class(crate::metrics::counts::At);

        impl $class {
            /// The metric at the threshold ½.
            pub fn new() -> Self {
                Self::default()
            }

            /// What a prediction must be above to mean yes, one number or several.
            pub fn thresholds(mut self, thresholds: impl Into<Vec<f64>>) -> Self {
                self.0.thresholds = Some(thresholds.into());
                self
            }

            pub(super) fn from_config(config: &crate::layers::Config) -> crate::error::Result<Self> {
                crate::metrics::counts::At::read(config).map($class)
            }
        }

        impl crate::metrics::counts::OfCounts for $class {
            fn counting(&self) -> crate::error::Result<crate::metrics::counts::Counting> {
                self.0.counting()
            }

            fn figures(&self, counts: &[crate::metrics::counts::Counts]) -> Vec<f64> {
                counts.iter().flat_map(|counts| counts.$count.iter().copied()).collect()
            }

            fn arguments(&self) -> crate::layers::Config {
                crate::layers::object(serde_json::json!({"thresholds": self.0.thresholds()}))
            }
        }

        crate::metrics::counts::of_counts!($class);
    };
}
pub(super) use one_count;

/// A metric that is the share of one count in that and another.
macro_rules! share {
    ($(#[$doc:meta])* $class:ident $one:ident $other:ident) => {
        $(#[$doc])*
        ///
        /// Targets, of any dtype, and predictions: both `(batch, …)`; beside `(batch, 1)` the other may be `(batch)`. A
        /// prediction above the threshold means yes, and a target that is not 0. 0 where there is nothing to divide by.
        /// Defaults: the threshold ½, none where only the k largest predictions of a row can mean yes; all classes. Of
        /// several thresholds each has its figure.
        #[derive(Clone, Debug, Default)]
        pub struct $class(crate::metrics::counts::At);

        impl $class {
            /// The metric of all classes at the threshold ½.
            pub fn new() -> Self {
                Self::default()
            }

            /// What a prediction must be above to mean yes, one number or several.
            pub fn thresholds(mut self, thresholds: impl Into<Vec<f64>>) -> Self {
                self.0.thresholds = Some(thresholds.into());
                self
            }

            /// Only the k largest predictions of a row can mean yes.
            pub fn top_k(mut self, k: usize) -> Self {
                self.0.top_k = Some(k);
                self
            }

            /// Looks at one class alone, a place of the last axis.
            pub fn class_id(mut self, class: usize) -> Self {
                self.0.class_id = Some(class);
                self
            }

            pub(super) fn from_config(config: &crate::layers::Config) -> crate::error::Result<Self> {
                crate::metrics::counts::At::read(config).map($class)
            }
        }

        impl crate::metrics::counts::OfCounts for $class {
            fn counting(&self) -> crate::error::Result<crate::metrics::counts::Counting> {
                self.0.counting()
            }

            fn figures(&self, counts: &[crate::metrics::counts::Counts]) -> Vec<f64> {
                counts.iter().flat_map(|c| crate::metrics::counts::shares(&c.$one, &c.$other)).collect()
            }

            fn arguments(&self) -> crate::layers::Config {
                self.0.config()
            }
        }

        crate::metrics::counts::of_counts!($class);
    };
}
pub(super) use share;
