//! The mean of precision and recall.

use super::{Metric, config_of};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::losses::weights_for;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// How one figure is made of the classes' figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// One for each class.
    None,
    /// Of the counts of all classes together.
    Micro,
    /// Their mean.
    Macro,
    /// Their mean, each class counted as often as it occurs.
    Weighted,
}

/// (1 + β²) precision · recall / (β² precision + recall)
/// ([Keras](https://keras.io/api/metrics/classification_metrics/#fbetascore-class)).
///
/// Targets, one-hot or of several labels, of any dtype, and predictions: both `(batch, classes)`. A prediction above
/// the threshold means yes; without a threshold the largest of a row does, all of them if there are several, unless it
/// is 0. Defaults: a figure for each class, β = 1, no threshold. Divisions have 1e-7 added to what they divide by.
#[derive(Clone, Copy, Debug)]
pub struct FBetaScore {
    average: Average,
    beta: f64,
    threshold: Option<f64>,
}

impl FBetaScore {
    /// The metric with β = 1, for each class.
    pub fn new() -> FBetaScore {
        FBetaScore { average: Average::None, beta: 1.0, threshold: None }
    }

    /// How one figure is made of the classes' figures.
    pub fn average(mut self, average: Average) -> FBetaScore {
        self.average = average;
        self
    }

    /// How much recall counts beside precision.
    pub fn beta(mut self, beta: f64) -> FBetaScore {
        self.beta = beta;
        self
    }

    /// What a prediction must be above to mean yes.
    pub fn threshold(mut self, threshold: f64) -> FBetaScore {
        self.threshold = Some(threshold);
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<FBetaScore> {
        let average = match config.find("average").and_then(|v| v.as_str()) {
            None if config.find("average").is_none() => Average::None,
            Some("micro") => Average::Micro,
            Some("macro") => Average::Macro,
            Some("weighted") => Average::Weighted,
            _ => return Err(Error::Config("argument `average`: expected null, micro, macro or weighted".into())),
        };
        let threshold = config.find("threshold").map(|_| config.number("threshold", 0.5)).transpose()?;
        Ok(FBetaScore { average, beta: config.number("beta", 1.0)?, threshold })
    }
}

impl Default for FBetaScore {
    fn default() -> FBetaScore {
        FBetaScore::new()
    }
}

impl Metric for FBetaScore {
    fn class_name(&self) -> &'static str {
        "FBetaScore"
    }

    fn name(&self) -> String {
        "fbeta_score".into()
    }

    /// True positives, false positives and false negatives of each class.
    fn state(&self, outputs: usize) -> Result<Vec<Shape>> {
        Ok(vec![Shape::new(&[outputs])?; 3])
    }

    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors> {
        let (given, shape) = (y_true.shape(), y_pred.shape());
        if given != shape || shape.rank() != 2 {
            let message = format!("expected targets and predictions (batch, classes), got {given} and {shape}");
            return Err(Error::shape("FBetaScore", message));
        }
        let fits = self.threshold.is_none_or(|t| t > 0.0 && t <= 1.0) && self.beta > 0.0;
        if !fits {
            let message = "expected `beta` above 0 and `threshold` above 0, at most 1";
            return Err(Error::Config(format!("FBetaScore: {message}, got {} and {:?}", self.beta, self.threshold)));
        }
        let (t, p) = (y_true.cast(DType::F32)?, y_pred.cast(DType::F32)?);
        let above = |x: &Tensor, value: f64| x.greater(&Tensor::full(&x.device(), (), DType::F32, value)?);
        let found = match self.threshold {
            Some(threshold) => above(&p, threshold)?.cast(DType::F32)?,
            None => {
                let largest = p.greater_equal(&p.max(&[-1], true)?)?.cast(DType::F32)?;
                largest.mul(&above(&p.abs()?, 1e-9)?.cast(DType::F32)?)?
            }
        };
        let weights = weights.map(|w| weights_for(&p, w)).transpose()?.map(|(_, weights)| weights);
        let sum = |values: Tensor| match &weights {
            Some(weights) => values.mul(weights)?.sum(&[0], false),
            None => values.sum(&[0], false),
        };
        let counts =
            [sum(found.mul(&t)?)?, sum(found.mul(&t.rescale(-1.0, 1.0)?)?)?, sum(found.rescale(-1.0, 1.0)?.mul(&t)?)?];
        state.iter().zip(&counts).map(|(state, count)| state.add(count)).collect()
    }

    fn result(&self, state: &[Vec<f32>]) -> Vec<f64> {
        let [hits, wrong, missed] = state else { return Vec::new() };
        const EPSILON: f64 = 1e-7;
        let square = self.beta * self.beta;
        let score = |[hits, wrong, missed]: [f64; 3]| {
            let (precision, recall) = (hits / (hits + wrong + EPSILON), hits / (hits + missed + EPSILON));
            (1.0 + square) * precision * recall / (square * precision + recall + EPSILON)
        };
        let counts: Vec<[f64; 3]> =
            hits.iter().zip(wrong).zip(missed).map(|((&h, &w), &m)| [h, w, m].map(f64::from)).collect();
        let scores: Vec<f64> = counts.iter().map(|&c| score(c)).collect();
        let occurs: f64 = counts.iter().map(|[h, _, m]| h + m).sum();
        match self.average {
            Average::None => scores,
            Average::Micro => vec![score([0, 1, 2].map(|i| counts.iter().map(|c| c[i]).sum()))],
            Average::Macro => vec![scores.iter().sum::<f64>() / scores.len() as f64],
            Average::Weighted => {
                let weighted = scores.iter().zip(&counts).map(|(s, [h, _, m])| s * (h + m) / (occurs + EPSILON));
                vec![weighted.sum()]
            }
        }
    }

    fn config(&self) -> Config {
        let average = match self.average {
            Average::None => None,
            Average::Micro => Some("micro"),
            Average::Macro => Some("macro"),
            Average::Weighted => Some("weighted"),
        };
        let arguments = json!({"average": average, "beta": self.beta, "threshold": self.threshold});
        config_of(self, "float32", object(arguments))
    }
}
