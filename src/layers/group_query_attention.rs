//! Attention whose heads share keys and values.

use super::headed_attention::{HeadKind, HeadedAttention};
use super::heads::Heads;
use super::{Config, Read, Spec};
use crate::error::{Error, Result};

/// Attention of several heads, of which neighbours share a head of keys and values
/// ([Keras](https://keras.io/api/layers/attention_layers/group_query_attention/), [Ainslie et al.,
/// 2023](https://arxiv.org/abs/2305.13245)).
///
/// Inputs, masks and outputs are those of [`HeadedAttention`], with a value of the query's features. Weights:
/// `_query_dense/kernel` (features, heads, head_dim), `_key_dense/kernel` (features, key heads, head_dim), with a gate
/// `_gate_dense/kernel`, `_value_dense/kernel` (features, key heads, head_dim), `_output_dense/kernel` (heads,
/// head_dim, features), each with a `bias` of its last axes. Defaults: no dropout, with biases, no gate, kernels Glorot
/// uniform, biases zeros. A `sliding_window` is an error.
///
/// Keras's own class is `GroupedQueryAttention`, after which it names a layer without a name.
pub type GroupQueryAttention = HeadedAttention<GroupQuery>;

/// Fewer heads of keys than of queries.
#[derive(Clone, Copy, Debug)]
pub struct GroupQuery;

impl GroupQueryAttention {
    /// Heads of the size `head_dim`, so many of queries, and of keys and values a number that those are a multiple of.
    pub fn new(head_dim: usize, num_query_heads: usize, num_key_value_heads: usize) -> GroupQueryAttention {
        HeadedAttention::of(GroupQuery, num_query_heads, num_key_value_heads, head_dim)
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<GroupQueryAttention> {
        let [heads, key_heads] = [config.size("num_query_heads")?, config.size("num_key_value_heads")?];
        GroupQueryAttention::new(config.size("head_dim")?, heads, key_heads).reading(config)
    }
}

impl HeadKind for GroupQuery {
    const CLASS: &'static str = "GroupQueryAttention";
    const PREFIX: &'static str = "_";

    fn check(&self, query: &Spec, value: &Spec) -> Result<()> {
        if query.known(-1)? == value.known(-1)? {
            return Ok(());
        }
        let message = format!("expected a query and a value of as many features, got shapes {query} and {value}");
        Err(Error::Input(message))
    }

    fn write(&self, heads: &Heads, config: &mut Config) {
        config.insert("head_dim".into(), heads.size.into());
        config.insert("num_query_heads".into(), heads.heads.into());
        config.insert("num_key_value_heads".into(), heads.key_heads.into());
    }
}
