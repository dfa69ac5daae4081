//! The extents of an attention, and which keys its queries see.

use super::{Attention, Inputs};
use crate::profile;
use crate::tensor::Tensor;
use std::ops::Range;

/// The extents of an attention.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub batch: usize,
    pub queries: usize,
    /// The keys that are read, of so many rows.
    pub keys: usize,
    pub key_rows: usize,
    pub heads: usize,
    pub key_heads: usize,
    pub size: usize,
    pub value_size: usize,
}

impl Sizes {
    /// Those of inputs that were checked.
    pub fn of(op: &Attention, inputs: &Inputs<&Tensor>) -> Sizes {
        let (query, key, value) = (inputs.query.shape(), inputs.key.shape(), inputs.value.shape());
        Sizes {
            batch: query[0],
            queries: query[1],
            keys: op.keys.unwrap_or(key[1]),
            key_rows: key[1],
            heads: query[2],
            key_heads: key[2],
            size: query[3],
            value_size: value[3],
        }
    }

    /// Query heads that share a key's.
    pub fn group(&self) -> usize {
        self.heads.checked_div(self.key_heads).unwrap_or(0)
    }

    /// Elements between the steps of query, key, value and output.
    pub fn rows(&self) -> [usize; 4] {
        let Sizes { heads, key_heads, size, value_size, .. } = *self;
        [heads * size, key_heads * size, key_heads * value_size, heads * value_size]
    }

    /// How many keys a query sees that nothing but its place hides.
    pub fn visible(&self, op: &Attention, query: usize) -> usize {
        op.causal.map_or(self.keys, |offset| self.keys.min(query + offset + 1))
    }

    /// Of these queries those that see keys from `key` on.
    pub fn seeing(&self, op: &Attention, queries: Range<usize>, key: usize) -> Range<usize> {
        let first = op.causal.map_or(0, |offset| key.saturating_sub(offset));
        queries.start.max(first).min(queries.end)..queries.end
    }

    /// Tells the profile the operations: forward two products, backward five.
    pub fn count(&self, op: &Attention, products: usize) {
        let seen: usize = match op.causal {
            None => self.queries * self.keys,
            Some(_) => (0..self.queries).map(|query| self.visible(op, query)).sum(),
        };
        let each = self.batch * self.heads * seen;
        profile::operations(
            2 * each
                * match products {
                    1 => self.size + self.value_size,
                    _ => 3 * self.size + 2 * self.value_size,
                },
        );
    }
}

/// Where the elements of a mask stand whose extents may be 1.
#[derive(Clone, Copy)]
pub(super) struct MaskStrides {
    pub batch: usize,
    pub head: usize,
    pub query: usize,
}

impl MaskStrides {
    pub fn of(mask: &Tensor) -> MaskStrides {
        let shape = mask.shape();
        let stride = |axis: usize| if shape[axis] == 1 { 0 } else { shape[axis + 1..].iter().product() };
        MaskStrides { batch: stride(0), head: stride(1), query: stride(2) }
    }
}
