//! What attention is tested on: sizes about those of tiles and of vectors, every kind of mask, of heads, of dropout.

use super::{Attention, AttentionGrad, Dropout};
use crate::dtype::DType;
use crate::ops::random::sample_state;
use crate::tensor::{Case, FLOATS, Sample};

/// Batch, queries, key rows, heads, key heads, size, value size.
type Size = [usize; 7];

/// The extents of a mask that are whole: batch, heads, queries.
type Whole = [bool; 3];

const PADDING: Whole = [true, false, false];
const EACH: Whole = [true, true, true];

/// An attention to test.
pub(super) struct Setup {
    size: Size,
    causal: Option<usize>,
    keys: Option<usize>,
    mask: Option<Whole>,
    dropout: f64,
}

const PLAIN: Setup = Setup { size: [1; 7], causal: None, keys: None, mask: None, dropout: 0.0 };

fn all() -> Vec<Setup> {
    let of = |size: Size| Setup { size, ..PLAIN };
    let causal = |size: Size, offset: usize| Setup { size, causal: Some(offset), ..PLAIN };
    let masked = |size: Size, mask: Whole| Setup { size, mask: Some(mask), ..PLAIN };
    vec![
        of([1, 1, 1, 1, 1, 1, 1]),
        of([2, 5, 7, 3, 3, 8, 8]),
        of([1, 33, 65, 2, 1, 33, 17]),
        of([1, 2, 3, 1, 1, 256, 256]),
        of([2, 0, 3, 1, 1, 4, 4]),
        of([0, 3, 3, 1, 1, 4, 4]),
        of([1, 3, 0, 2, 2, 4, 4]),
        of([1, 3, 300, 1, 1, 5, 130]),
        causal([2, 70, 70, 2, 2, 16, 16], 0),
        causal([1, 3, 9, 4, 2, 24, 24], 6),
        causal([1, 4, 9, 1, 1, 5, 5], 0),
        causal([1, 1, 290, 2, 1, 32, 32], 289),
        masked([2, 5, 9, 2, 2, 16, 16], PADDING),
        masked([2, 5, 67, 2, 2, 7, 9], EACH),
        masked([2, 4, 5, 2, 1, 64, 64], [false, true, false]),
        masked([2, 4, 5, 3, 3, 40, 72], [false, false, true]),
        Setup { mask: Some(PADDING), ..causal([2, 17, 17, 2, 1, 128, 128], 0) },
        Setup { keys: Some(5), ..causal([2, 2, 9, 2, 2, 8, 8], 3) },
        Setup { keys: Some(4), mask: Some(PADDING), ..of([2, 3, 9, 2, 2, 8, 8]) },
        Setup { dropout: 0.4, ..of([2, 6, 7, 2, 2, 8, 8]) },
        Setup { dropout: 0.2, mask: Some(EACH), ..causal([1, 19, 70, 2, 1, 12, 12], 40) },
    ]
}

impl Setup {
    pub fn op(&self) -> Attention {
        Attention {
            scale: 0.7 / (self.size[5] as f64).sqrt(),
            causal: self.causal,
            keys: self.keys,
            masked: self.mask.is_some(),
            dropout: (self.dropout > 0.0).then_some(Dropout { rate: self.dropout, stream: 3 }),
        }
    }

    /// The inputs, those of the backward too if it is asked for.
    pub fn samples(&self, back: bool) -> Vec<Sample> {
        let [batch, queries, rows, heads, key_heads, size, value_size] = self.size;
        let extents = [batch, heads, queries];
        let mask = self.mask.map(|whole| {
            let [batch, heads, queries] = std::array::from_fn(|i| if whole[i] { extents[i] } else { 1 });
            Sample::within([batch, heads, queries, self.keys.unwrap_or(rows)], 0.0..1.0).dtype(DType::Bool)
        });
        let mut inputs = vec![
            Sample::new([batch, queries, heads, size]),
            Sample::new([batch, rows, key_heads, size]),
            Sample::new([batch, rows, key_heads, value_size]),
        ];
        inputs.extend(mask);
        inputs.extend((self.dropout > 0.0).then(sample_state));
        let out = || Sample::new([batch, queries, heads, value_size]);
        // No probability is then far above 1.
        let logarithms = Sample::within(extents, 3.0..5.0).wide();
        inputs.extend(back.then(|| [out(), logarithms, out()]).into_iter().flatten());
        inputs
    }

    /// What is summed over many keys is compared where roundings are small.
    fn dtypes(&self) -> &'static [DType] {
        if self.size[2] < 200 { FLOATS } else { &[DType::F32, DType::F64] }
    }
}

pub(super) fn forward() -> Vec<Case> {
    all().into_iter().map(|s| Case::new(s.op(), s.samples(false)).shown(1).dtypes(s.dtypes())).collect()
}

pub(super) fn backward() -> Vec<Case> {
    all().into_iter().map(|s| Case::new(AttentionGrad(s.op()), s.samples(true)).dtypes(s.dtypes())).collect()
}

/// All of them, forward and back.
#[cfg(test)]
pub(super) fn ops() -> impl Iterator<Item = (Setup, bool)> {
    [false, true].into_iter().flat_map(|back| all().into_iter().map(move |setup| (setup, back)))
}
