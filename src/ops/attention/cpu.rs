//! Attention on the CPU: a thread has a head, packs its keys and values once, and goes through its queries a tile at a time.
//!
//! A tile of scores, some fifty queries by some hundred keys, is in the second-level cache from the product that makes it to that
//! which it is a factor of. Which keys are together does not depend on the queries, and a row is summed in the same lanes
//! however many of its keys are seen: a step that goes on from a cache gives the same bits as the whole sequence.

use super::sizes::MaskStrides;
use super::{Attention, Inputs, Sizes};
use crate::device::cpu::gemm::{Left, Packed, View};
use crate::device::cpu::philox::Philox;
use crate::device::cpu::threads::Parts;
use crate::device::cpu::{Float, Scratch, threads};
use crate::error::{Error, Result};
use crate::ops::random::philox;
use crate::tensor::Tensor;
use crate::with_float;
use std::ops::Range;

/// Queries and keys of a tile: whole tiles of products.
pub(super) const QUERIES: usize = 48;
pub(super) const KEYS: usize = 256;
/// Lanes that rows of scores are worked on in.
const LANES: usize = 16;

/// What makes scores of products: scale, mask, place, dropout.
pub(super) struct Scores<'a> {
    op: &'a Attention,
    sizes: Sizes,
    mask: Option<(&'a [bool], MaskStrides)>,
    dropout: Option<(Philox, f64)>,
}

/// One row of a tile of scores: of which head and query, and its first key.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub batch: usize,
    pub head: usize,
    pub query: usize,
    pub key: usize,
}

impl<'a> Scores<'a> {
    pub fn new(op: &'a Attention, sizes: Sizes, inputs: &Inputs<'a, &Tensor>) -> Result<Scores<'a>> {
        let mask = inputs.mask.map(|mask| mask.data::<bool>().map(|data| (data, MaskStrides::of(mask))));
        let numbers = |(dropout, state): (super::Dropout, &&Tensor)| {
            Ok::<_, Error>((philox(state, dropout.stream)?, dropout.rate))
        };
        let dropout = op.dropout.zip(inputs.state).map(numbers);
        Ok(Scores { op, sizes, mask: mask.transpose()?, dropout: dropout.transpose()? })
    }

    /// Scales the products of a row with the keys that its place lets it see, and sets those to −∞ that the mask hides and those
    /// behind, up to whole lanes. How many it may see, and how many there are then.
    #[inline(always)]
    pub fn scale<T: Float>(&self, at: Row, row: &mut [T]) -> [usize; 2] {
        let seen = self.sizes.visible(self.op, at.query).saturating_sub(at.key).min(KEYS);
        let whole = seen.next_multiple_of(LANES);
        let scale = T::of(self.op.scale);
        row[..seen].iter_mut().for_each(|x| *x = *x * scale);
        if let Some((mask, strides)) = self.mask {
            let start = at.batch * strides.batch + at.head * strides.head + at.query * strides.query + at.key;
            for (x, &shown) in row[..seen].iter_mut().zip(&mask[start..start + seen]) {
                *x = if shown { *x } else { T::NEG_INFINITY };
            }
        }
        row[seen..whole].fill(T::NEG_INFINITY);
        [seen, whole]
    }

    /// Calls `work` for each element of a row with what dropout multiplies its probability by.
    #[inline(always)]
    pub fn drop<T: Float>(&self, at: Row, row: &mut [T], mut work: impl FnMut(&mut T, T)) {
        let Some((philox, rate)) = &self.dropout else { return };
        let kept = T::of(1.0 / (1.0 - rate));
        let rows = (at.batch * self.sizes.heads + at.head) * self.sizes.queries + at.query;
        // Keys of a tile begin at a whole block of numbers.
        let first = rows as u64 * self.sizes.keys.div_ceil(4) as u64 + (at.key / 4) as u64;
        for (i, four) in row.chunks_mut(4).enumerate() {
            let numbers = philox.uniform(first + i as u64);
            for (x, number) in four.iter_mut().zip(numbers) {
                work(x, if number >= *rate as f32 { kept } else { T::ZERO });
            }
        }
    }

    /// Makes probabilities of a row of products, by the logarithm of its sum, and of the gradients of the probabilities those of
    /// the products.
    #[inline(always)]
    pub fn back<T: Float>(&self, at: Row, (p, ds): (&mut [T], &mut [T]), logarithm: T, delta: T) {
        let [seen, whole] = self.scale(at, p);
        p[whole..].fill(T::ZERO);
        ds[seen..].fill(T::ZERO);
        let (p, ds, scale) = (&mut p[..whole], &mut ds[..whole], T::of(self.op.scale));
        // Where nothing is seen, nothing is a probability.
        let shift = if logarithm == T::NEG_INFINITY { T::ZERO } else { logarithm };
        p.iter_mut().for_each(|p| *p = (*p - shift).exp());
        if self.dropout.is_none() {
            ds.iter_mut().zip(&*p).for_each(|(ds, &p)| *ds = (p * (*ds - delta) * scale).flush());
            return;
        }
        let mut factors = [T::ZERO; KEYS];
        let factors = &mut factors[..whole];
        self.drop(
            at,
            factors,
            #[inline(always)]
            |to, factor| *to = factor,
        );
        for ((p, ds), &factor) in p.iter_mut().zip(ds).zip(&*factors) {
            *ds = (*p * (*ds * factor - delta) * scale).flush();
            *p = *p * factor;
        }
    }
}

/// The rows of a head from a step on.
pub(super) fn head_rows<T>(x: &[T], row: usize, step: usize, head: usize, size: usize) -> &[T] {
    x.get(step * row + head * size..).unwrap_or(&[])
}

/// Tiles of keys, each from its first to its last.
pub(super) fn tiles(keys: Range<usize>, step: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    keys.clone().step_by(step).map(move |start| start..(start + step).min(keys.end))
}

/// Calls `work` with scratch memory of `room` elements for each piece, over the threads.
pub(super) fn pieces<T: bytemuck::Pod + Send>(
    pieces: usize,
    room: usize,
    work: &(dyn Fn(usize, &mut [T]) + Sync),
) -> Result<()> {
    let shares = threads::count().min(pieces).max(1);
    let mut scratch = Scratch::new(shares * room)?;
    let scratch = Parts::new(scratch.elements());
    threads::for_each(shares, &|share| {
        // SAFETY: each share has its own part.
        let room = unsafe { scratch.slice(share * room..(share + 1) * room) };
        (share * pieces / shares..(share + 1) * pieces / shares).for_each(|piece| work(piece, room));
    });
    Ok(())
}

/// Takes the first so many elements away.
pub(super) fn take<'a, T>(room: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (taken, rest) = std::mem::take(room).split_at_mut(count);
    *room = rest;
    taken
}

/// Largest score, sum of exponentials: of the keys so far.
#[derive(Clone, Copy)]
struct Online<T> {
    largest: T,
    sum: T,
}

impl<T: Float> Online<T> {
    const NONE: Online<T> = Online { largest: T::NEG_INFINITY, sum: T::ZERO };

    /// Makes exponentials of a row of more scores, of whole lanes; what those before must be multiplied by.
    #[inline(always)]
    fn add(&mut self, row: &mut [T]) -> T {
        let row = row.as_chunks_mut::<LANES>().0;
        let mut lanes = [T::NEG_INFINITY; LANES];
        for chunk in row.iter() {
            lanes.iter_mut().zip(chunk).for_each(|(lane, &x)| *lane = if x > *lane { x } else { *lane });
        }
        let largest = lanes.into_iter().fold(self.largest, |a, b| if b > a { b } else { a });
        // Where nothing is seen yet, any shift leaves e^−∞ at 0.
        let shift = if largest == T::NEG_INFINITY { T::ZERO } else { largest };
        let mut sums = [T::ZERO; LANES];
        for chunk in row {
            for (sum, x) in sums.iter_mut().zip(chunk) {
                *x = (*x - shift).exp();
                *sum += *x;
            }
        }
        let before = (self.largest - shift).exp();
        self.sum = self.sum * before + sums.into_iter().fold(T::ZERO, |a, b| a + b);
        self.largest = largest;
        before
    }
}

pub(super) fn forward(op: &Attention, sizes: Sizes, inputs: &Inputs<&Tensor>, outputs: &mut [Tensor]) -> Result<()> {
    let scores = Scores::new(op, sizes, inputs)?;
    let [out, logarithms] = outputs else { return Err(Error::Internal("attention has two outputs".into())) };
    with_float!(inputs.query.dtype(), "attention", T => {
        let [query, key, value] = [inputs.query, inputs.key, inputs.value].map(|t| t.data::<T>());
        let (query, key, value) = (query?, key?, value?);
        let (out, logarithms) = (Parts::new(out.data_mut::<T>()?), Parts::new(logarithms.data_mut::<T>()?));
        let heads = sizes.batch * sizes.key_heads;
        // Where there are few heads, several threads have queries of the same one.
        let parts = threads::count().div_ceil(heads.max(1)).min(sizes.queries.div_ceil(QUERIES));
        let room = Forward::<T>::room(&sizes);
        pieces(heads * parts, room, &|piece, room| {
            let (head, part) = (piece / parts, piece % parts);
            let tiles = sizes.queries.div_ceil(QUERIES);
            let queries = part * tiles / parts * QUERIES..((part + 1) * tiles / parts * QUERIES).min(sizes.queries);
            let (batch, key_head) = (head / sizes.key_heads, head % sizes.key_heads);
            let forward = Forward::new(&scores, (key, value), batch, key_head, room);
            forward.run(query, queries, &out, &logarithms);
        })
    })
}

/// A thread at a head of the keys.
struct Forward<'a, T: 'static> {
    scores: &'a Scores<'a>,
    batch: usize,
    key_head: usize,
    keys: &'a [T],
    values: &'a [T],
    tile: &'a mut [T],
    out: &'a mut [T],
}

impl<'a, T: Float> Forward<'a, T> {
    /// Elements that a tile of packed keys takes, and one of packed values.
    fn packed(sizes: &Sizes) -> [usize; 2] {
        let keys = sizes.keys.min(KEYS);
        [Packed::<T>::room(sizes.size, keys), Packed::<T>::room(keys, sizes.value_size)]
    }

    fn room(sizes: &Sizes) -> usize {
        let tiles = sizes.keys.div_ceil(KEYS);
        let [keys, values] = Forward::<T>::packed(sizes);
        tiles * (keys + values) + QUERIES * (sizes.keys.min(KEYS).next_multiple_of(LANES) + sizes.value_size)
    }

    /// Packs the head's keys and values.
    fn new(
        scores: &'a Scores<'a>,
        (key, value): (&[T], &[T]),
        batch: usize,
        key_head: usize,
        mut room: &'a mut [T],
    ) -> Forward<'a, T> {
        let sizes = &scores.sizes;
        let [_, key_row, value_row, _] = sizes.rows();
        let of_tile = Forward::<T>::packed(sizes);
        let count = sizes.keys.div_ceil(KEYS);
        let [keys, values] = of_tile.map(|of_tile| take(&mut room, count * of_tile));
        for (i, tile) in tiles(0..sizes.keys, KEYS).enumerate() {
            let step = batch * sizes.key_rows + tile.start;
            let from = View::new(head_rows(key, key_row, step, key_head, sizes.size), key_row, true);
            Packed::new(from, sizes.size, tile.len(), &mut keys[i * of_tile[0]..]);
            let from = View::new(head_rows(value, value_row, step, key_head, sizes.value_size), value_row, false);
            Packed::new(from, tile.len(), sizes.value_size, &mut values[i * of_tile[1]..]);
        }
        let tile = take(&mut room, QUERIES * sizes.keys.min(KEYS).next_multiple_of(LANES));
        let out = take(&mut room, QUERIES * sizes.value_size);
        Forward { scores, batch, key_head, keys, values, tile, out }
    }

    /// The output and the logarithms of these queries.
    fn run(mut self, query: &[T], queries: Range<usize>, out: &Parts<T>, logarithms: &Parts<T>) {
        let sizes = self.scores.sizes;
        let [query_row, _, _, out_row] = sizes.rows();
        let group = sizes.group();
        for head in self.key_head * group..(self.key_head + 1) * group {
            for queries in tiles(queries.clone(), QUERIES) {
                let step = self.batch * sizes.queries + queries.start;
                let online = self.tile(head_rows(query, query_row, step, head, sizes.size), head, queries.clone());
                for (i, online) in online.iter().enumerate().take(queries.len()) {
                    let row = &self.out[i * sizes.value_size..(i + 1) * sizes.value_size];
                    let start = (step + i) * out_row + head * sizes.value_size;
                    // A query that sees no key.
                    let scale = if online.sum == T::ZERO { T::ZERO } else { T::ONE / online.sum };
                    // SAFETY: no other thread has this head's queries.
                    let (to, logarithm) = unsafe {
                        let at = (self.batch * sizes.heads + head) * sizes.queries + queries.start + i;
                        (out.slice(start..start + sizes.value_size), logarithms.slice(at..at + 1))
                    };
                    T::vectorize(
                        #[inline(always)]
                        || to.iter_mut().zip(row).for_each(|(to, &x)| *to = x * scale),
                    );
                    logarithm[0] = online.largest + online.sum.ln();
                }
            }
        }
    }

    /// The weighted values of a tile of queries, not yet divided by the sums of their weights.
    fn tile(&mut self, query: &[T], head: usize, queries: Range<usize>) -> [Online<T>; QUERIES] {
        let Forward { scores, keys, values, tile, out, batch, .. } = self;
        let sizes = &scores.sizes;
        let (op, width) = (scores.op, sizes.keys.min(KEYS).next_multiple_of(LANES));
        let [of_keys, of_values] = Forward::<T>::packed(sizes);
        let query_row = sizes.rows()[0];
        let mut online = [Online::NONE; QUERIES];
        let last = sizes.visible(op, queries.end - 1);
        if last == 0 {
            out.fill(T::ZERO);
        }
        for (i, key) in tiles(0..last, KEYS).enumerate() {
            let in_tile = (sizes.keys - key.start).min(KEYS);
            let k = Packed::from_packed(&keys[i * of_keys..], sizes.size, in_tile);
            k.part([queries.len(), key.len(), sizes.size], Left::Rows(query, query_row), tile, width, false);
            T::vectorize(
                #[inline(always)]
                || {
                    let rows = tile.chunks_exact_mut(width).zip(queries.clone()).zip(&mut online);
                    for (((row, query), online), out) in rows.zip(out.chunks_mut(sizes.value_size.max(1))) {
                        let at = Row { batch: *batch, head, query, key: key.start };
                        let [_, whole] = scores.scale(at, row);
                        let before = online.add(&mut row[..whole]);
                        row[whole..].fill(T::ZERO);
                        scores.drop(
                            at,
                            &mut row[..whole],
                            #[inline(always)]
                            |x, factor| *x = *x * factor,
                        );
                        if i > 0 && before != T::ONE {
                            out.iter_mut().for_each(|x| *x = *x * before);
                        }
                    }
                },
            );
            let v = Packed::from_packed(&values[i * of_values..], in_tile, sizes.value_size);
            v.part([queries.len(), sizes.value_size, key.len()], Left::Rows(tile, width), out, sizes.value_size, i > 0);
        }
        online
    }
}
