//! Attention by products of query and key.

use super::weighing::{Score, WeighingAttention};
use super::{Call, Config, Read, WeightSpec};
use crate::error::{Error, Result};
use crate::initializers::Ones;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Attention by products of query and key ([Keras](https://keras.io/api/layers/attention_layers/attention/), [Luong et
/// al., 2015](https://arxiv.org/abs/1508.04025)).
///
/// Inputs, masks and outputs are those of [`WeighingAttention`]. The scores are q·kᵀ, times a weight with `use_scale`;
/// in the mode [`ScoreMode::Concat`] they are c·Σ tanh(s·(q + k)) over the features with the weights c and, with
/// `use_scale`, s, which takes memory for queries · keys · features. Weights: `scale` (), `concat_score_weight` (),
/// both ones. Defaults: products, no scale, no dropout.
pub type Attention = WeighingAttention<ScoreMode>;

/// How an [`Attention`] makes scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreMode {
    /// Products of query and key.
    Dot,
    /// The tanh of their sums.
    Concat,
}

impl Default for Attention {
    fn default() -> Self {
        Attention::new()
    }
}

impl Attention {
    /// Attention by products.
    pub fn new() -> Attention {
        WeighingAttention::of(ScoreMode::Dot, false)
    }

    /// How scores are made; by default by products.
    pub fn score_mode(mut self, score_mode: ScoreMode) -> Self {
        self.score = score_mode;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Attention> {
        let mode = match &*config.word("score_mode", "dot")? {
            "dot" => ScoreMode::Dot,
            "concat" => ScoreMode::Concat,
            other => {
                let message = format!("argument `score_mode`: expected one of dot, concat, got {other}");
                return Err(Error::Config(message));
            }
        };
        Attention::new().score_mode(mode).reading(config)
    }
}

impl Score for ScoreMode {
    const CLASS: &'static str = "Attention";

    fn weights(&self, use_scale: bool, _: usize) -> Result<Vec<WeightSpec>> {
        let names = [("scale", use_scale), ("concat_score_weight", *self == ScoreMode::Concat)];
        let one = |name: &str| Ok(WeightSpec::new(name, Shape::new(&[])?, Box::new(Ones)));
        names.into_iter().filter(|(_, there)| *there).map(|(name, _)| one(name)).collect()
    }

    fn is_product(&self) -> bool {
        *self == ScoreMode::Dot
    }

    fn of_sums(&self, call: &Call, sums: &Tensor, scale: Option<&Tensor>) -> Result<Tensor> {
        let scaled = scale.map_or_else(|| Ok(sums.clone()), |scale| sums.mul(scale))?;
        scaled.tanh()?.sum(&[-1], false)?.mul(&call.weight(usize::from(scale.is_some()))?)
    }

    fn write(&self, config: &mut Config) {
        let mode = if *self == ScoreMode::Dot { "dot" } else { "concat" };
        config.insert("score_mode".into(), mode.into());
    }
}
