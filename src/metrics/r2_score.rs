//! How much of the targets' variance the predictions explain.

use super::{Metric, config_of};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::losses::{matched, weights_for};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// How one figure is made of the outputs' figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregation {
    /// One for each output.
    None,
    /// Their mean.
    #[default]
    UniformAverage,
    /// Their mean, each output counted with its variance.
    VarianceWeightedAverage,
}

/// 1 − Σ (t − p)² / Σ (t − t̄)² of each output, t̄ the mean of its targets: 1 for a perfect prediction, 0 for the mean
/// ([Keras](https://keras.io/api/metrics/regression_metrics/#r2score-class)).
///
/// Targets t, of any dtype, and predictions p: both `(batch, outputs)`; beside `(batch, 1)` the other may be `(batch)`.
/// Defaults: the mean of the outputs, no adjustment. With `num_regressors` k it is 1 − (1 − R²)(n − 1) / (n − k − 1),
/// where n counts the samples of all outputs, as in Keras. Without targets that differ it is NaN or 0, as there.
#[derive(Clone, Copy, Debug, Default)]
pub struct R2Score {
    class_aggregation: Aggregation,
    num_regressors: usize,
}

impl R2Score {
    /// The mean over the outputs.
    pub fn new() -> R2Score {
        R2Score::default()
    }

    /// How one figure is made of the outputs' figures.
    pub fn class_aggregation(mut self, aggregation: Aggregation) -> R2Score {
        self.class_aggregation = aggregation;
        self
    }

    /// How many independent numbers the predictions are made of, for which the figure is adjusted; 0 for no adjustment.
    pub fn num_regressors(mut self, regressors: usize) -> R2Score {
        self.num_regressors = regressors;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<R2Score> {
        let class_aggregation = match config.get("class_aggregation").map(|v| v.as_str()) {
            Some(Some("variance_weighted_average")) => Aggregation::VarianceWeightedAverage,
            None | Some(Some("uniform_average")) => Aggregation::UniformAverage,
            Some(None) if config.find("class_aggregation").is_none() => Aggregation::None,
            _ => {
                let expected = "expected null, uniform_average or variance_weighted_average";
                return Err(Error::Config(format!("argument `class_aggregation`: {expected}")));
            }
        };
        let num_regressors = if config.find("num_regressors").is_some() { config.size("num_regressors")? } else { 0 };
        Ok(R2Score { class_aggregation, num_regressors })
    }
}

impl Metric for R2Score {
    fn class_name(&self) -> &'static str {
        "R2Score"
    }

    fn name(&self) -> String {
        "r2_score".into()
    }

    /// Of each output the weighted sums of t², t and (t − p)², and of the weights; and how many targets there were.
    fn state(&self, outputs: usize) -> Result<Vec<Shape>> {
        let mut state = vec![Shape::new(&[outputs])?; 4];
        state.push(Shape::SCALAR);
        Ok(state)
    }

    fn update(&self, state: &[Tensor], y_true: &Tensor, y_pred: &Tensor, weights: Option<&Tensor>) -> Result<Tensors> {
        let (t, p) = matched("R2Score", y_true, &y_pred.cast(DType::F32)?)?;
        if p.shape().rank() != 2 || state.len() != 5 {
            return Err(Error::shape("R2Score", format!("expected predictions (batch, outputs), got {}", p.shape())));
        }
        let weights = match weights {
            None => Tensor::ones(&p.device(), p.shape(), DType::F32)?,
            Some(weights) => weights_for(&p, weights)?.1.broadcast_to(p.shape())?,
        };
        let sum = |x: Tensor| x.sum(&[0], false);
        let weighted = t.mul(&weights)?;
        let sums = [sum(t.mul(&weighted)?)?, sum(weighted)?, sum(t.sub(&p)?.square()?.mul(&weights)?)?, sum(weights)?];
        let mut new: Tensors = state.iter().zip(&sums).map(|(state, sum)| state.add(sum)).collect::<Result<_>>()?;
        new.push(state[4].add_scalar(p.shape().size() as f64)?);
        Ok(new)
    }

    fn result(&self, state: &[Vec<f32>]) -> Vec<f64> {
        let [squares, sums, errors, counts, samples] = state else { return Vec::new() };
        let output = |(((square, sum), error), count): (((&f32, &f32), &f32), &f32)| {
            let [square, sum, error, count] = [square, sum, error, count].map(|&x| f64::from(x));
            let total = square - sum * sum / count;
            let score = 1.0 - error / total;
            (if score.is_infinite() { 0.0 } else { score }, total)
        };
        let scores: Vec<(f64, f64)> = squares.iter().zip(sums).zip(errors).zip(counts).map(output).collect();
        let figures = match self.class_aggregation {
            Aggregation::None => scores.iter().map(|(score, _)| *score).collect(),
            Aggregation::UniformAverage => {
                vec![scores.iter().map(|(score, _)| score).sum::<f64>() / scores.len() as f64]
            }
            Aggregation::VarianceWeightedAverage => {
                let total: f64 = scores.iter().map(|(_, total)| total).sum();
                vec![scores.iter().map(|(score, total)| score * total).sum::<f64>() / total]
            }
        };
        let (n, k) = (f64::from(samples.first().copied().unwrap_or_default()), self.num_regressors as f64);
        if k == 0.0 || k >= n - 1.0 {
            return figures;
        }
        figures.into_iter().map(|score| 1.0 - (1.0 - score) * (n - 1.0) / (n - k - 1.0)).collect()
    }

    fn config(&self) -> Config {
        let aggregation = match self.class_aggregation {
            Aggregation::None => None,
            Aggregation::UniformAverage => Some("uniform_average"),
            Aggregation::VarianceWeightedAverage => Some("variance_weighted_average"),
        };
        let arguments = json!({"class_aggregation": aggregation, "num_regressors": self.num_regressors});
        config_of(self, "float32", object(arguments))
    }
}
