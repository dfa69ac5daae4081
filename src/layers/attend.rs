//! What the attention layers share: which keys a query sees, and attention whose probabilities are wanted too.

use super::{Call, Spec, mask};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::ops::Attend;
use crate::shape::Shape;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// Which keys a query sees: those that all masks have, and none behind its own place if it is causal.
#[derive(Clone, Debug)]
pub struct Sight {
    /// bool, which broadcasts to `(batch, heads, queries, keys)`: as small as what it was made of allows.
    mask: Option<Tensor>,
    causal: bool,
}

impl Sight {
    /// All keys, or those up to a query's own place.
    pub fn new(causal: bool) -> Sight {
        Sight { mask: None, causal }
    }

    /// The same without the keys that a mask `(batch, keys)` leaves out.
    pub fn keys(self, mask: Option<&Tensor>) -> Result<Sight> {
        self.and(mask.map(|mask| steps(mask, |batch, keys| [batch, 1, 1, keys])).transpose()?)
    }

    /// The same without the queries that a mask `(batch, queries)` leaves out: they see nothing.
    pub fn queries(self, mask: Option<&Tensor>) -> Result<Sight> {
        self.and(mask.map(|mask| steps(mask, |batch, queries| [batch, 1, queries, 1])).transpose()?)
    }

    /// The same with Keras's `attention_mask`, `(batch, queries, keys)` or `(batch, heads, queries, keys)` of any
    /// dtype, where 0 is false and queries and heads may be 1.
    pub fn given(self, mask: Option<&Tensor>) -> Result<Sight> {
        let by_heads = |mask: &Tensor| -> Result<Tensor> {
            let mask = as_bool(mask)?;
            match *mask.shape() {
                [batch, queries, keys] => mask.reshape([batch, 1, queries, keys]),
                _ => Ok(mask),
            }
        };
        self.and(mask.map(by_heads).transpose()?)
    }

    fn and(self, other: Option<Tensor>) -> Result<Sight> {
        let mask = match (self.mask, other) {
            (Some(a), Some(b)) => Some(mask::both(&a, &b)?),
            (a, b) => a.or(b),
        };
        Ok(Sight { mask, ..self })
    }

    /// One mask for scores `(batch, heads, queries, keys)`, if there is any.
    fn whole(&self, scores: &Tensor) -> Result<Option<Tensor>> {
        if !self.causal {
            return Ok(self.mask.clone());
        }
        let [.., queries, keys] = *scores.shape() else {
            return Err(Error::Internal("scores have queries and keys".into()));
        };
        let before = Tensor::ones(&scores.device(), [1, 1, queries, keys], DType::Bool)?.tril(0)?;
        Ok(Sight { mask: Some(before), causal: false }.and(self.mask.clone())?.mask)
    }
}

/// A mask by steps in the places of a mask of scores.
fn steps(mask: &Tensor, place: impl Fn(usize, usize) -> [usize; 4]) -> Result<Tensor> {
    match *mask.shape() {
        [batch, steps] => mask.reshape(place(batch, steps)),
        ref shape => Err(Error::Input(format!("expected a mask of 2 axes (batch, steps), got {} axes", shape.len()))),
    }
}

/// The mask of all steps that there were, of one of these steps; `place` is what it is kept under, beside weights.
pub fn all_steps(call: &Call, place: usize, mask: Option<&Tensor>) -> Result<Option<Tensor>> {
    match (call.steps(), mask) {
        (Some(steps), Some(mask)) => steps.all(usize::MAX - place, mask).map(Some),
        (_, mask) => Ok(mask.cloned()),
    }
}

/// Where numbers are not 0.
pub fn as_bool(x: &Tensor) -> Result<Tensor> {
    if x.dtype() == DType::Bool { Ok(x.clone()) } else { x.not_equal(&Tensor::zeros(&x.device(), (), x.dtype())?) }
}

/// Attention without its probabilities, of heads `(batch, steps, heads, size)`, in training with some of them dropped.
pub fn attend(
    call: &Call,
    [query, key, value]: [&Tensor; 3],
    scale: f64,
    sight: &Sight,
    dropout: f64,
) -> Result<Tensor> {
    let dropout = if call.training() && dropout > 0.0 { Some((dropout, call.generator()?)) } else { None };
    // Where a sequence comes a few steps at a time, a causal attention is to all that there were.
    let first = call.first_step();
    let keys = call.steps().filter(|_| sight.causal).map(|_| first + query.shape()[1]);
    let (mask, causal) = (sight.mask.as_ref(), sight.causal.then_some(first));
    query.attention(key, value, Attend { mask, scale: Some(scale), causal, keys, dropout })
}

/// The same with the probabilities `(batch, heads, queries, keys)`, before some are dropped.
pub fn attend_and_show(
    call: &Call,
    [query, key, value]: [&Tensor; 3],
    scale: f64,
    sight: &Sight,
    dropout: f64,
) -> Result<(Tensor, Tensor)> {
    let (of_queries, of_keys) = (query.shape(), key.shape());
    let ([batch, queries, heads, _], [_, keys, key_heads, _]) = (&*of_queries, &*of_keys) else {
        return Err(Error::Internal("queries and keys have heads".into()));
    };
    let (batch, queries, heads, keys, key_heads) = (*batch, *queries, *heads, *keys, *key_heads);
    // Those that share a head of the keys stand one below the other.
    let group = heads / key_heads.max(1) * queries;
    let by_heads = |x: &Tensor| x.transpose(&[0, 2, 1, 3]);
    let query = by_heads(query)?;
    let query = query.reshape(query.shape().with(1, key_heads)?.with(2, group)?)?;
    let scores = query.matmul_with(&by_heads(key)?, false, true)?.mul_scalar(scale)?;
    let shown = probabilities(&scores.reshape([batch, heads, queries, keys])?, sight)?;
    let kept = call.dropout(&shown, dropout)?.reshape([batch, key_heads, group, keys])?;
    let output = kept.matmul(&by_heads(value)?)?;
    let output = output.reshape(output.shape().with(1, heads)?.with(2, queries)?)?;
    Ok((by_heads(&output)?, shown))
}

/// What the probability of a key becomes that is not seen, before the softmax.
fn hidden(dtype: DType) -> f64 {
    if dtype == DType::F16 { -3e4 } else { -1e9 }
}

/// The softmax of scores `(batch, heads, queries, keys)` over the keys that are seen; zeros where a query sees none.
pub fn probabilities(scores: &Tensor, sight: &Sight) -> Result<Tensor> {
    let Some(mask) = sight.whole(scores)? else { return scores.softmax(-1) };
    let number = |value| Tensor::full(&scores.device(), (), scores.dtype(), value);
    mask.select(&mask.select(scores, &number(hidden(scores.dtype()))?)?.softmax(-1)?, &number(0.0)?)
}

/// The inputs of an attention: query, value and, if there is one of its own, key, of three axes each; the query, the
/// value, the key.
pub fn check(inputs: &[Spec]) -> Result<[&Spec; 3]> {
    let (query, value, key) = match inputs {
        [query, value] => (query, value, value),
        [query, value, key] => (query, value, key),
        _ => {
            let message = "expected a query, a value and, if there is one, a key";
            return Err(Error::Input(format!("{message}, got {} inputs", inputs.len())));
        }
    };
    for x in inputs {
        x.require_float()?;
        if x.rank() != 3 {
            return Err(Error::Input(format!("expected inputs of 3 axes (batch, steps, features), got shape {x}")));
        }
        x.known(-1)?;
    }
    if !agree(value.dims[1], key.dims[1]) {
        return Err(Error::Input(format!(
            "expected a key of as many steps as the value, got shapes {key} and {value}"
        )));
    }
    if [value, key].iter().any(|x| x.dtype != query.dtype || !agree(x.dims[0], query.dims[0])) {
        let list = super::merge::list(inputs);
        return Err(Error::Input(format!("expected inputs of one dtype and one batch, got shapes {list}")));
    }
    Ok([query, value, key])
}

fn agree(a: Option<usize>, b: Option<usize>) -> bool {
    a.zip(b).is_none_or(|(a, b)| a == b)
}

/// Checks a mask that is an input: `(batch, queries, keys)`, or with heads behind the batch.
pub fn check_mask(mask: &Spec, heads: usize, query: &Spec, key: &Spec) -> Result<()> {
    let (queries, keys) = (query.dims[1], key.dims[1]);
    let own = |got: Option<usize>, whole: Option<usize>| got == Some(1) || agree(got, whole);
    let fits = match mask.dims[..] {
        [_, q, k] => own(q, queries) && agree(k, keys),
        [_, h, q, k] => own(h, Some(heads)) && own(q, queries) && agree(k, keys),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let expected = Spec { dims: vec![query.dims[0], queries, keys], dtype: DType::Bool };
    let message =
        format!("expected an attention mask of shape {expected}, or with an axis of {heads} heads behind the batch");
    Err(Error::Input(format!("{message}, got shape {mask}")))
}

/// The probabilities of a query and key of these specs.
pub fn scores_spec(heads: Option<usize>, query: &Spec, key: &Spec) -> Spec {
    let dims = [Some(query.dims[0]), heads.map(Some), Some(query.dims[1]), Some(key.dims[1])];
    Spec { dims: dims.into_iter().flatten().collect(), dtype: query.dtype }
}

/// Checks a rate of dropout.
pub fn check_dropout(rate: f64) -> Result<()> {
    if (0.0..1.0).contains(&rate) {
        return Ok(());
    }
    Err(Error::Config(format!("argument `dropout`: expected a number from 0 to below 1, got {rate}")))
}

/// A shape with the last axes replaced.
pub fn with_last(x: &Tensor, last: &[usize]) -> Result<Shape> {
    let shape = x.shape();
    let first = shape.dims().split_last().map_or(&[][..], |(_, first)| first);
    Shape::new(&first.iter().chain(last).copied().collect::<SmallVec<[usize; 6]>>())
}

/// What is the same in `impl Layer` of every attention, with the field `signature`.
macro_rules! attends {
    () => {
        $crate::layers::signature::signed!();

        fn supports_masking(&self) -> bool {
            true
        }

        /// The output has the query's, and probabilities have none.
        fn compute_mask(&self, output: usize, _: &[bool]) -> $crate::layers::Mask {
            if output == 0 { $crate::layers::Mask::Of(0) } else { $crate::layers::Mask::None }
        }

        fn is_samplewise(&self, _: bool) -> bool {
            true
        }
    };
}
pub(super) use attends;
