//! Scaled dot-product attention in one op, which never stores the scores.

mod cases;
mod cpu;
mod cpu_back;
mod cuda;
mod grad;
mod sizes;
#[cfg(test)]
mod tests;

pub use grad::AttentionGrad;

use super::random::{Generator, check_state};
use crate::device::cpu::convert::require_float;
use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{
    Backward, Case, Gradients, Keeps, Meta, Metas, Op, Tensor, apply, apply_one, given, require_one_dtype,
};
use cuda::Card;
use sizes::Sizes;
use smallvec::SmallVec;

/// softmax(scale · q · kᵀ) · v for each head, over the keys that a query may see: those that the mask has, from the first
/// to that of the query's own place if it is causal. A query that sees none gives zeros and gets no gradient.
///
/// Tiles of scores live in the nearest cache or in registers: of each row only the logarithm of the sum of its exponentials is
/// kept, the second output, from which the backward computes the scores again (Dao et al., *FlashAttention*, 2022; Milakov and
/// Gimelshein, *Online normalizer calculation for softmax*, 2018). Inputs: query, key, value, the mask if there is one, the
/// generator's state if there is dropout.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    scale: f64,
    causal: Option<usize>,
    keys: Option<usize>,
    masked: bool,
    dropout: Option<Dropout>,
}

/// What is drawn for each score: the fraction that is dropped, and the numbers' stream.
#[derive(Clone, Copy, Debug)]
struct Dropout {
    rate: f64,
    stream: u32,
}

/// What [`Tensor::attention`] can be told beside query, key and value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attend<'a> {
    /// Which keys a query sees: bool `(batch, heads, queries, keys)`, where each of the first three may be 1.
    pub mask: Option<&'a Tensor>,
    /// What the products are multiplied by; 1 / √(head size) if it is not given.
    pub scale: Option<f64>,
    /// Lets query i see the keys from the first to number `i + offset` alone. The offset is 0 for a whole sequence, and the
    /// number of steps before the first query for one that goes on from a cache.
    pub causal: Option<usize>,
    /// How many of the keys there are, if not all: what stands behind them, in a cache that is not full, is not read.
    pub keys: Option<usize>,
    /// Sets this fraction of the softmax's probabilities to 0 and scales the others by 1 / (1 − rate).
    pub dropout: Option<(f64, &'a Generator)>,
}

impl Tensor {
    /// `softmax(scale · query · keyᵀ) · value` for each head
    /// ([Keras](https://keras.io/api/ops/nn/#dot_product_attention-function); Vaswani et al., *Attention is all you need*,
    /// 2017).
    ///
    /// Query `(batch, queries, heads, size)`, key `(batch, keys, key heads, size)`, value `(batch, keys, key heads, value
    /// size)`, output `(batch, queries, heads, value size)`. The heads are a multiple of the key heads, and so many neighbours
    /// share one (Ainslie et al., *GQA*, 2023). Floating-point, one dtype. Memory grows with the queries and keys, not with
    /// their product. A query that sees no key gives zeros.
    ///
    /// # Errors
    /// Shapes that do not fit, dtypes that differ or are no floats, a mask that is not bool, a dropout rate outside [0, 1), more
    /// `keys` than there are.
    pub fn attention(&self, key: &Tensor, value: &Tensor, attend: Attend) -> Result<Tensor> {
        let scale = attend.scale.unwrap_or_else(|| 1.0 / (self.shape().last().max(1) as f64).sqrt());
        let dropout = attend.dropout.filter(|(rate, _)| *rate != 0.0);
        let op = Attention {
            scale,
            causal: attend.causal,
            keys: attend.keys,
            masked: attend.mask.is_some(),
            dropout: dropout.map(|(rate, generator)| Dropout { rate, stream: generator.stream() }),
        };
        let state = dropout.map(|(_, generator)| generator.state());
        let inputs: SmallVec<[&Tensor; 5]> = [self, key, value].into_iter().chain(attend.mask).chain(state).collect();
        apply_one(op, &inputs)
    }
}

/// The inputs by what they are.
struct Inputs<'a, T> {
    query: &'a T,
    key: &'a T,
    value: &'a T,
    mask: Option<&'a T>,
    state: Option<&'a T>,
    /// What stands behind them: of the backward the output, the logarithms and the output's gradient.
    rest: &'a [T],
}

impl Attention {
    /// The inputs by what they are.
    fn split<'a, T>(&self, name: &'static str, inputs: &'a [T]) -> Result<Inputs<'a, T>> {
        let expected = 3 + usize::from(self.masked) + usize::from(self.dropout.is_some());
        let Some((given, rest)) = inputs.split_at_checked(expected) else {
            return Err(Error::shape(name, format!("expected {expected} tensors, got {}", inputs.len())));
        };
        let mask = self.masked.then(|| &given[3]);
        let state = self.dropout.and(given.last());
        let (query, key, value) = (&given[0], &given[1], &given[2]);
        Ok(Inputs { query, key, value, mask, state, rest })
    }

    /// Checks all but what the backward has besides.
    fn check(&self, name: &'static str, inputs: &Inputs<Meta>) -> Result<Sizes> {
        let (query, key, value) = (inputs.query, inputs.key, inputs.value);
        require_float(name, query.dtype)?;
        require_one_dtype(name, &[*query, *key, *value])?;
        let wrong = |what: &str| Error::shape(name, format!("{what}, got {}", given(&[*query, *key, *value])));
        let (&[batch, queries, heads, size], &[key_batch, key_rows, key_heads, key_size]) =
            (query.shape.dims(), key.shape.dims())
        else {
            return Err(wrong("expected a query and a key of 4 axes (batch, steps, heads, size)"));
        };
        if key_batch != batch || key_size != size {
            return Err(wrong("expected a key of the query's batch and size"));
        }
        let &[.., value_size] = value.shape.dims() else {
            return Err(wrong("expected a value of 4 axes (batch, steps, heads, size)"));
        };
        if value.shape.dims() != [batch, key_rows, key_heads, value_size] {
            return Err(wrong("expected a value of the key's batch, steps and heads"));
        }
        if heads.checked_rem(key_heads).unwrap_or(heads) != 0 {
            return Err(wrong("expected the query's heads to be a multiple of the key's"));
        }
        let keys = self.keys.unwrap_or(key_rows);
        if keys > key_rows {
            return Err(Error::shape(name, format!("expected at least {keys} keys, got {}", key.shape)));
        }
        let sizes = Sizes { batch, queries, keys, key_rows, heads, key_heads, size, value_size };
        if let Some(mask) = inputs.mask {
            let fits = |(&extent, full): (&usize, usize)| extent == full || extent == 1;
            let first = mask.shape.iter().zip([batch, heads, queries]).all(fits);
            if mask.dtype != DType::Bool || mask.shape.rank() != 4 || !first || mask.shape[3] != keys {
                let expected = format!("({batch} or 1, {heads} or 1, {queries} or 1, {keys})");
                return Err(Error::shape(name, format!("expected a mask of bool {expected}, got {mask}")));
            }
        }
        if let Some(state) = inputs.state {
            check_state(name, state)?;
        }
        if let Some(Dropout { rate, .. }) = self.dropout.filter(|dropout| !(0.0..1.0).contains(&dropout.rate)) {
            return Err(Error::Config(format!("{name}: expected a dropout rate in [0, 1), got {rate}")));
        }
        if !self.scale.is_finite() {
            return Err(Error::Config(format!("{name}: expected a finite scale, got {}", self.scale)));
        }
        Ok(sizes)
    }
}

impl Op for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let split = self.split("attention", inputs)?;
        if !split.rest.is_empty() {
            return Err(Error::shape("attention", format!("expected fewer tensors, got {}", given(inputs))));
        }
        let sizes = self.check("attention", &split)?;
        let (dtype, shape) = (split.query.dtype, split.query.shape);
        let logarithms = Shape::new(&[sizes.batch, sizes.heads, sizes.queries])?;
        Ok(Metas::from_iter([
            Meta::new(shape.with(3, sizes.value_size)?, dtype),
            Meta::new(logarithms, dtype.arithmetic()),
        ]))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.split("attention", inputs)?;
        let sizes = Sizes::of(self, &inputs);
        sizes.count(self, 1);
        cpu::forward(self, sizes, &inputs, outputs)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.split("attention", inputs)?;
        Sizes::of(self, &inputs).count(self, 1);
        Card::new(self, device, &inputs).forward(outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        // What is not there is not kept.
        Some(Keeps { inputs: &[0, 1, 2, 3, 4], outputs: &[0, 1] })
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let mut inputs: SmallVec<[&Tensor; 8]> = SmallVec::new();
        for i in 0..node.input_count() {
            inputs.push(node.input(i)?);
        }
        inputs.extend([node.output(0)?, node.output(1)?, node.grad()?]);
        let mut gradients: Gradients = apply(AttentionGrad(*self), &inputs)?.into_iter().map(Some).collect();
        gradients.resize(node.input_count(), None);
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        cases::forward()
    }
}
