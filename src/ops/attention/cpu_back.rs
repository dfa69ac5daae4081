//! The backward of attention on the CPU: a thread has a head of the keys and goes through them a tile at a time, for each through
//! all queries of the head's group.

use super::cpu::{KEYS, QUERIES, Row, Scores, head_rows, pieces, take, tiles};
use super::{Attention, Inputs, Sizes};
use crate::device::cpu::Float;
use crate::device::cpu::gemm::{Left, Packed, View};
use crate::device::cpu::threads::Parts;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::with_float;
use std::ops::Range;

pub(super) fn backward(op: &Attention, sizes: Sizes, inputs: &Inputs<&Tensor>, outputs: &mut [Tensor]) -> Result<()> {
    let scores = Scores::new(op, sizes, inputs)?;
    let (&[out, logarithms, grad], [dq, dk, dv]) = (inputs.rest, outputs) else {
        return Err(Error::Internal("the backward of attention has three inputs more and three outputs".into()));
    };
    with_float!(inputs.query.dtype(), "attention_grad", T => {
        let all = Operands::<T> {
            op,
            scores: &scores,
            sizes,
            query: inputs.query.data()?,
            key: inputs.key.data()?,
            value: inputs.value.data()?,
            out: out.data()?,
            logarithms: logarithms.data()?,
            grad: grad.data()?,
            dq: Parts::new(dq.data_mut()?),
            dk: Parts::new(dk.data_mut()?),
            dv: Parts::new(dv.data_mut()?),
        };
        pieces(sizes.batch * sizes.key_heads, Backward::<T>::room(&sizes), &|head, room| {
            let (batch, key_head) = (head / sizes.key_heads, head % sizes.key_heads);
            Backward::new(&all, batch, key_head, room).run();
        })
    })
}

/// What all threads read and write.
struct Operands<'a, T> {
    op: &'a Attention,
    scores: &'a Scores<'a>,
    sizes: Sizes,
    query: &'a [T],
    key: &'a [T],
    value: &'a [T],
    out: &'a [T],
    logarithms: &'a [T],
    grad: &'a [T],
    dq: Parts<T>,
    dk: Parts<T>,
    dv: Parts<T>,
}

/// A thread at a head of the keys.
struct Backward<'a, T: 'static> {
    all: &'a Operands<'a, T>,
    batch: usize,
    key_head: usize,
    /// Σ out · dout of each query of the group.
    deltas: &'a mut [T],
    /// Packed: keys and values transposed, keys as they are, a tile's queries and gradients.
    keys: &'a mut [T],
    values: &'a mut [T],
    keys_down: &'a mut [T],
    queries: &'a mut [T],
    grads: &'a mut [T],
    /// Tiles of probabilities and of their gradients.
    p: &'a mut [T],
    ds: &'a mut [T],
    dq: &'a mut [T],
    dk: &'a mut [T],
    dv: &'a mut [T],
}

impl<'a, T: Float> Backward<'a, T> {
    /// What each part of the scratch memory takes.
    fn rooms(sizes: &Sizes) -> [usize; 11] {
        let Sizes { size, value_size, queries, .. } = *sizes;
        let keys = sizes.keys.min(KEYS);
        let tile = QUERIES * keys.next_multiple_of(16);
        [
            sizes.group() * queries,
            Packed::<T>::room(size, keys),
            Packed::<T>::room(value_size, keys),
            Packed::<T>::room(keys, size),
            Packed::<T>::room(QUERIES, size),
            Packed::<T>::room(QUERIES, value_size),
            tile,
            tile,
            QUERIES * size,
            keys * size,
            keys * value_size,
        ]
    }

    fn room(sizes: &Sizes) -> usize {
        Backward::<T>::rooms(sizes).iter().sum()
    }

    fn new(all: &'a Operands<'a, T>, batch: usize, key_head: usize, mut room: &'a mut [T]) -> Backward<'a, T> {
        let [deltas, keys, values, keys_down, queries, grads, p, ds, dq, dk, dv] =
            Backward::<T>::rooms(&all.sizes).map(|count| take(&mut room, count));
        Backward { all, batch, key_head, deltas, keys, values, keys_down, queries, grads, p, ds, dq, dk, dv }
    }

    /// All gradients of the head's keys and of the queries that share it.
    fn run(mut self) {
        let sizes = self.all.sizes;
        let group = sizes.group();
        let heads = self.key_head * group..(self.key_head + 1) * group;
        self.sum_deltas(heads.clone());
        if sizes.keys == 0 {
            heads.clone().for_each(|head| self.put_dq(head, 0..sizes.queries, None));
        }
        for keys in tiles(0..sizes.keys, KEYS) {
            self.pack(keys.clone());
            self.dk.fill(T::ZERO);
            self.dv.fill(T::ZERO);
            for head in heads.clone() {
                for queries in tiles(0..sizes.queries, QUERIES) {
                    let queries = sizes.seeing(self.all.op, queries, keys.start);
                    if !queries.is_empty() {
                        self.tile(head, queries, keys.clone());
                    }
                }
            }
            self.put(&self.all.dk, self.dk, sizes.size, keys.clone());
            self.put(&self.all.dv, self.dv, sizes.value_size, keys);
        }
        // Rows of a cache that are not full.
        let empty = sizes.keys..sizes.key_rows;
        self.put(&self.all.dk, &[], sizes.size, empty.clone());
        self.put(&self.all.dv, &[], sizes.value_size, empty);
    }

    fn sum_deltas(&mut self, heads: Range<usize>) {
        let sizes = &self.all.sizes;
        let (row, size) = (sizes.rows()[3], sizes.value_size);
        let first = self.batch * sizes.queries;
        for (head, deltas) in heads.zip(self.deltas.chunks_exact_mut(sizes.queries.max(1))) {
            T::vectorize(
                #[inline(always)]
                || {
                    for (i, delta) in deltas.iter_mut().enumerate() {
                        let start = (first + i) * row + head * size;
                        let (out, grad) = (&self.all.out[start..start + size], &self.all.grad[start..start + size]);
                        *delta = crate::ops::rows::total(
                            out,
                            grad,
                            #[inline(always)]
                            |a, b| a * b,
                        );
                    }
                },
            );
        }
    }

    fn pack(&mut self, keys: Range<usize>) {
        let Sizes { size, value_size, key_rows, .. } = self.all.sizes;
        let [_, key_row, value_row, _] = self.all.sizes.rows();
        let step = self.batch * key_rows + keys.start;
        let key = head_rows(self.all.key, key_row, step, self.key_head, size);
        let value = head_rows(self.all.value, value_row, step, self.key_head, value_size);
        Packed::new(View::new(key, key_row, true), size, keys.len(), self.keys);
        Packed::new(View::new(value, value_row, true), value_size, keys.len(), self.values);
        Packed::new(View::new(key, key_row, false), keys.len(), size, self.keys_down);
    }

    /// Adds what a tile gives: these queries of a head, and these keys.
    fn tile(&mut self, head: usize, queries: Range<usize>, keys: Range<usize>) {
        let Operands { op, scores, sizes, .. } = *self.all;
        let Sizes { size, value_size, .. } = sizes;
        let [query_row, _, _, out_row] = sizes.rows();
        let width = sizes.keys.min(KEYS).next_multiple_of(16);
        let (rows, step) = (queries.len(), self.batch * sizes.queries + queries.start);
        // Keys that some of these queries see.
        let seen = sizes.visible(op, queries.end - 1).min(keys.end) - keys.start;
        let query = head_rows(self.all.query, query_row, step, head, size);
        let grad = head_rows(self.all.grad, out_row, step, head, value_size);
        let k = Packed::from_packed(self.keys, size, keys.len());
        k.part([rows, seen, size], Left::Rows(query, query_row), self.p, width, false);
        let v = Packed::from_packed(self.values, value_size, keys.len());
        v.part([rows, seen, value_size], Left::Rows(grad, out_row), self.ds, width, false);

        let of_head = (head - self.key_head * sizes.group()) * sizes.queries;
        let deltas = &self.deltas[of_head + queries.start..of_head + queries.end];
        let at = (self.batch * sizes.heads + head) * sizes.queries;
        let logarithms = &self.all.logarithms[at + queries.start..at + queries.end];
        let tiles = self.p.chunks_exact_mut(width).zip(self.ds.chunks_exact_mut(width));
        let of_rows = deltas.iter().zip(logarithms).zip(queries.clone());
        T::vectorize(
            #[inline(always)]
            || {
                for ((p, ds), ((&delta, &logarithm), query)) in tiles.zip(of_rows) {
                    let at = Row { batch: self.batch, head, query, key: keys.start };
                    scores.back(at, (p, ds), logarithm, delta);
                }
            },
        );

        let of_grad = Packed::new(View::new(grad, out_row, false), rows, value_size, self.grads);
        of_grad.of(seen, Left::Columns(self.p, width), self.dv, value_size, true);
        let of_query = Packed::new(View::new(query, query_row, false), rows, size, self.queries);
        of_query.of(seen, Left::Columns(self.ds, width), self.dk, size, true);
        let k = Packed::from_packed(self.keys_down, keys.len(), size);
        k.part([rows, size, seen], Left::Rows(self.ds, width), self.dq, size, false);
        self.put_dq(head, queries, Some(keys.start > 0));
    }

    /// Writes the gradients of these queries, or adds them; zeros where there are none.
    fn put_dq(&self, head: usize, queries: Range<usize>, add: Option<bool>) {
        let sizes = &self.all.sizes;
        let (row, size) = (sizes.rows()[0], sizes.size);
        for (i, query) in queries.enumerate() {
            let start = (self.batch * sizes.queries + query) * row + head * size;
            // SAFETY: no other thread has this head.
            let to = unsafe { self.all.dq.slice(start..start + size) };
            let Some(add) = add else {
                to.fill(T::ZERO);
                continue;
            };
            let from = &self.dq[i * size..(i + 1) * size];
            if add {
                T::vectorize(
                    #[inline(always)]
                    || to.iter_mut().zip(from).for_each(|(to, &x)| *to += x),
                );
            } else {
                to.copy_from_slice(from);
            }
        }
    }

    /// Writes the gradients of these keys, or of their values; zeros where there are none.
    fn put(&self, to: &Parts<T>, from: &[T], size: usize, keys: Range<usize>) {
        let sizes = &self.all.sizes;
        for (i, key) in keys.enumerate() {
            let start = ((self.batch * sizes.key_rows + key) * sizes.key_heads + self.key_head) * size;
            // SAFETY: no other thread has this head.
            let to = unsafe { to.slice(start..start + size) };
            match from.get(i * size..(i + 1) * size) {
                Some(from) => to.copy_from_slice(from),
                None => to.fill(T::ZERO),
            }
        }
    }
}
