//! How one number is made of the samples' losses.

use super::weights_for;
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Config, Read};
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::Value;

/// How one number is made of the samples' losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean.
    #[default]
    SumOverBatchSize,
    /// Another word of Keras's for the same.
    Mean,
    /// Their sum, each times its weight, divided by the sum of the weights; 0 where that is 0. Without weights their
    /// mean.
    MeanWithSampleWeight,
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
            Reduction::Mean => "mean",
            Reduction::MeanWithSampleWeight => "mean_with_sample_weight",
            Reduction::Sum => "sum",
            Reduction::None => "none",
        }
    }

    /// The reduction of a config, where the argument stands.
    pub(super) fn read(config: &Config) -> Result<Reduction> {
        let name = match config.get("reduction") {
            Some(Value::Null) => "none".to_string(),
            _ => config.word("reduction", Reduction::default().name())?,
        };
        match name.as_str() {
            "sum_over_batch_size" => Ok(Reduction::SumOverBatchSize),
            "mean" => Ok(Reduction::Mean),
            "mean_with_sample_weight" => Ok(Reduction::MeanWithSampleWeight),
            "sum" => Ok(Reduction::Sum),
            "none" => Ok(Reduction::None),
            _ => Err(Error::Config(format!(
                "argument `reduction`: expected sum_over_batch_size, mean, mean_with_sample_weight, sum or none, \
                 got `{name}`"
            ))),
        }
    }

    /// The weights of the losses where a mask of the predictions says which of them count, each times its weight, if there are
    /// any: 0 for what does not count. For a mean, which divides by the number of all losses, what counts has the weight
    /// `all / counting`, so that it is the mean of what counts; where nothing does, it is 0.
    ///
    /// # Errors
    /// Weights of another shape than the mask's first axes.
    pub fn mask(self, mask: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
        let kept = mask.cast(DType::F32)?;
        let kept = match self {
            Reduction::SumOverBatchSize | Reduction::Mean => {
                let (counting, number) = (kept.sum(&[], false)?, |x| Tensor::full(&mask.device(), (), DType::F32, x));
                let one = number(1.0)?;
                // Of nothing that counts, nothing is to be divided by 0.
                kept.mul(&number(mask.shape().size() as f64)?.div(&counting.maximum(&one)?)?)?
            }
            _ => kept,
        };
        let Some(weights) = weights else { return Ok(kept) };
        let (kept, weights) = weights_for(&kept, weights)?;
        kept.mul(&weights)
    }

    /// What each of so many losses counts in the loss of a batch: [`Reduction::apply`] is their sum, each times this. In f32.
    ///
    /// # Errors
    /// As [`Reduction::apply`].
    pub(crate) fn factors(self, shape: Shape, weights: Option<&Tensor>, device: &Device) -> Result<Tensor> {
        let ones = Tensor::ones(device, shape, DType::F32)?;
        let factors = Reduction::None.apply(&ones, weights)?;
        match (self, weights) {
            (Reduction::None | Reduction::Sum, _) => Ok(factors),
            (Reduction::MeanWithSampleWeight, Some(weights)) => factors.div(&divisor(&weights.cast(DType::F32)?)?),
            _ => factors.mul_scalar(1.0 / shape.size().max(1) as f64),
        }
    }

    /// The loss of a batch from those of its samples, each multiplied by its weight first, if there are any.
    ///
    /// Weights are one a sample, `(batch)` or `(batch, 1)`, or one for each loss. The mean divides by the number of
    /// losses, not by the sum of the weights, as in Keras; the mean with weights by the sum of those that were given,
    /// which are fewer than the losses where one weight is for several.
    ///
    /// # Errors
    /// Weights of another shape.
    pub fn apply(self, losses: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
        let Some(weights) = weights else {
            return match self {
                Reduction::None => Ok(losses.clone()),
                Reduction::Sum => losses.sum(&[], false),
                _ => losses.mean(&[], false),
            };
        };
        let (losses, weights) = weights_for(losses, weights)?;
        let weighted = losses.mul(&weights)?;
        match self {
            Reduction::None => Ok(weighted),
            Reduction::Sum => weighted.sum(&[], false),
            Reduction::SumOverBatchSize | Reduction::Mean => weighted.mean(&[], false),
            Reduction::MeanWithSampleWeight => weighted.sum(&[], false)?.div(&divisor(&weights)?),
        }
    }
}

/// What a sum of weighted losses is divided by. Where the weights add up to nothing, both the mean and its gradient are 0.
fn divisor(weights: &Tensor) -> Result<Tensor> {
    let of_all = weights.sum(&[], false)?;
    let [zero, huge] = [0.0, f64::INFINITY].map(|x| Tensor::full(&of_all.device(), (), of_all.dtype(), x));
    of_all.equal(&zero?)?.select(&huge?, &of_all)
}
