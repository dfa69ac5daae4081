//! Attention by sums of query and key.

use super::weighing::{Score, WeighingAttention};
use super::{Call, Config, WeightSpec};
use crate::error::Result;
use crate::initializers::GlorotUniform;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Attention by sums of query and key ([Keras](https://keras.io/api/layers/attention_layers/additive_attention/),
/// [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473)).
///
/// Inputs, masks and outputs are those of [`WeighingAttention`]. The scores are Σ s·tanh(q + k) over the features, with
/// the weight s if `use_scale`, which takes memory for queries · keys · features. Weights: `scale` (features), Glorot
/// uniform. Defaults: with the scale, no dropout.
pub type AdditiveAttention = WeighingAttention<Additive>;

/// The tanh of sums.
#[derive(Clone, Copy, Debug)]
pub struct Additive;

impl Default for AdditiveAttention {
    fn default() -> Self {
        AdditiveAttention::new()
    }
}

impl AdditiveAttention {
    /// Attention by sums, with a scale for each feature.
    pub fn new() -> AdditiveAttention {
        WeighingAttention::of(Additive, true)
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<AdditiveAttention> {
        AdditiveAttention::new().reading(config)
    }
}

impl Score for Additive {
    const CLASS: &'static str = "AdditiveAttention";

    fn weights(&self, use_scale: bool, features: usize) -> Result<Vec<WeightSpec>> {
        let scale = || Ok(WeightSpec::new("scale", Shape::new(&[features])?, Box::new(GlorotUniform)));
        use_scale.then(scale).into_iter().collect()
    }

    fn is_product(&self) -> bool {
        false
    }

    fn of_sums(&self, _: &Call, sums: &Tensor, scale: Option<&Tensor>) -> Result<Tensor> {
        let sums = sums.tanh()?;
        match scale {
            // Σ s·tanh is a product with one column.
            Some(scale) => {
                let shape = sums.shape();
                sums.matmul(&scale.reshape([shape[3], 1])?)?.reshape(shape.without(3))
            }
            None => sums.sum(&[-1], false),
        }
    }

    fn write(&self, _: &mut Config) {}
}
