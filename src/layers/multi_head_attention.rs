//! Attention of several heads.

use super::headed_attention::{HeadKind, HeadedAttention};
use super::heads::Heads;
use super::{Config, Read, Spec};
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::shape::MAX_RANK;
use serde_json::{Value, json};

/// Attention of several heads ([Keras](https://keras.io/api/layers/attention_layers/multi_head_attention/), [Vaswani et
/// al., 2017](https://arxiv.org/abs/1706.03762)).
///
/// Inputs, masks and outputs are those of [`HeadedAttention`]. Weights: `query_dense/kernel` (features, heads,
/// key_dim), `key_dense/kernel` the same, with a gate `_gate_dense/kernel`, `value_dense/kernel` (features, heads,
/// value_dim), `output_dense/kernel` (heads, value_dim, outputs), each with a `bias` of its last axes. Defaults: values
/// of the size of keys, an output of the query's features, no dropout, with biases, no gate, kernels Glorot uniform,
/// biases zeros.
///
/// Inputs have one axis of steps, which is what `attention_axes` says; other axes are an error, and so is a
/// `sliding_window`.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let (sentence, source) = (Input::new([40, 64]), Input::new([30, 64]));
/// let x = MultiHeadAttention::new(8, 8).use_causal_mask(true).call([&sentence, &sentence])?;
/// let y = MultiHeadAttention::new(8, 8).call([&x, &source])?;
/// assert_eq!(y.spec().to_string(), "(None, 40, 64)");
/// # Ok(())
/// # }
/// ```
pub type MultiHeadAttention = HeadedAttention<MultiHead>;

/// The axes that an output has at most behind batch and steps.
const MOST: usize = MAX_RANK - 2;

/// As many heads of keys as of queries.
#[derive(Clone, Debug)]
pub struct MultiHead {
    output_shape: Option<Vec<usize>>,
    /// As the config says it.
    attention_axes: Value,
}

impl MultiHeadAttention {
    /// So many heads, whose queries and keys are of the size `key_dim`.
    pub fn new(num_heads: usize, key_dim: usize) -> MultiHeadAttention {
        let kind = MultiHead { output_shape: None, attention_axes: Value::Null };
        HeadedAttention::of(kind, num_heads, num_heads, key_dim)
    }

    /// The size of a head's values; by default `key_dim`.
    pub fn value_dim(mut self, value_dim: usize) -> Self {
        self.heads.value_size = value_dim;
        self
    }

    /// The output's axes behind batch and steps; by default one of the query's features.
    pub fn output_shape(mut self, output_shape: impl Into<Vec<usize>>) -> Self {
        self.kind.output_shape = Some(output_shape.into());
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<MultiHeadAttention> {
        let mut layer = MultiHeadAttention::new(config.size("num_heads")?, config.size("key_dim")?).reading(config)?;
        if config.find("value_dim").is_some() {
            layer = layer.value_dim(config.size("value_dim")?);
        }
        if let Some(shape) = config.integers("output_shape")?.filter(|shape| !shape.is_empty()) {
            // One below 1 is refused as 0 is.
            layer = layer.output_shape(shape.into_iter().map(|n| n.try_into().unwrap_or(0)).collect::<Vec<usize>>());
        }
        if let Some(axes) = config.find("attention_axes") {
            // The second is the same counted from the end, as Keras counts.
            if ![&[1][..], &[-2]].contains(&Axes::read(Some(axes), "attention_axes", 1)?.list()) {
                let message = "expected [1], since inputs have one axis of steps here";
                let axes: String = axes.to_string().chars().take(80).collect();
                return Err(Error::Config(format!("argument `attention_axes`: {message}, got {axes}")));
            }
            layer.kind.attention_axes = axes.clone();
        }
        Ok(layer)
    }
}

impl HeadKind for MultiHead {
    const CLASS: &'static str = "MultiHeadAttention";
    const PREFIX: &'static str = "";

    fn output(&self) -> Option<&[usize]> {
        self.output_shape.as_deref()
    }

    fn check(&self, _: &Spec, _: &Spec) -> Result<()> {
        match self.output() {
            Some(shape) if shape.is_empty() || shape.contains(&0) || shape.len() > MOST => {
                let shape = &shape[..shape.len().min(MOST)];
                let message = format!("expected 1 to {MOST} extents of at least 1, got {shape:?}");
                Err(Error::Config(format!("argument `output_shape`: {message}")))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, heads: &Heads, config: &mut Config) {
        config.insert("num_heads".into(), heads.heads.into());
        config.insert("key_dim".into(), heads.size.into());
        config.insert("value_dim".into(), heads.value_size.into());
        config.insert("output_shape".into(), json!(self.output_shape));
        config.insert("attention_axes".into(), self.attention_axes.clone());
    }
}
