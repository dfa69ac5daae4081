//! The gradients of a pass's weights on the CPU, from a chunk of steps at a time.

use super::step::{multiply, scale, value_of};
use super::{Extents, GradInputs, Layout, Recurrence};
use crate::device::cpu::gemm::{View, gemm};
use crate::device::cpu::{Float, Scratch, threads};
use crate::error::Result;
use crate::ops::activation::Activation;
use std::ops::Range;

/// What a pass back leaves of a chunk of steps, in rows of the samples of each step: the gradients of the sums, and of the last
/// gate's product where that is another.
pub(super) struct Chunk<'a, T> {
    pub first: usize,
    pub rows: usize,
    pub sums: &'a mut [T],
    pub apart: &'a mut [T],
}

/// The gradients of the weights: inputs and states before the steps, transposed, times the gradients of their products.
///
/// One product gives all rows of the output, which are those of the kernel, of the bias, of the products' bias and of the
/// recurrent kernel: its left factor has the input, 1, 1 and the state. Gates whose state is another, by dropout or a reset,
/// or whose product has another gradient than their sum, have a product of their own, of 1 and their state.
pub(super) struct WeightsGrad<'a, T: Float> {
    op: &'a Recurrence,
    layout: Layout,
    kept: &'a [T],
    dropout: Option<&'a [T]>,
    out: &'a mut [T],
    /// The left factors' columns, with the state's only where a gate needs them, and room for a chunk of them.
    columns: usize,
    factors: Scratch<T>,
    /// The gates with a product of their own, its results, and room for a chunk of left factors where theirs are others.
    own: Range<usize>,
    parts: Scratch<T>,
    own_factors: Option<Scratch<T>>,
}

impl<'a, T: Float> WeightsGrad<'a, T> {
    pub fn new(
        op: &'a Recurrence,
        (layout, chunk): (Layout, usize),
        (inputs, dropout): (&GradInputs<'a>, Option<&'a [T]>),
        out: &'a mut [T],
    ) -> Result<Self> {
        let (cell, Extents { batch, features, units, .. }) = (layout.cell, layout.at);
        let rows = chunk * batch;
        let resets = cell.recurrent < cell.gates;
        let own = match dropout {
            Some(_) => 0..cell.gates,
            None if cell.apart || resets => cell.gates - 1..cell.gates,
            None => cell.gates..cell.gates,
        };
        let columns = features + 2 + if own.start > 0 { units } else { 0 };
        let factors = || Scratch::new(rows * (1 + units));
        Ok(WeightsGrad {
            op,
            layout,
            kept: inputs.kept.data::<T>()?,
            dropout,
            out,
            columns,
            factors: Scratch::new(rows * columns)?,
            parts: Scratch::new(own.len() * (1 + units) * units)?,
            own_factors: (dropout.is_some() || resets).then(factors).transpose()?,
            own,
        })
    }

    /// Adds what a chunk gives; the last is the first to come.
    pub fn add(&mut self, x: &[T], chunk: &Chunk<T>, last: bool) -> Result<()> {
        let WeightsGrad { layout, kept, columns, .. } = *self;
        let cell = layout.cell;
        let Extents { batch, features, units, .. } = layout.at;
        let width = cell.gates * units;
        let first = layout.before(0, chunk.first, &(0..batch)).start;
        let states = &kept[first..first + chunk.rows * units];
        let factors = &mut self.factors.elements()[..chunk.rows * columns];
        gather(x, states, layout.at, chunk.first, columns, factors);
        let (left, d_sums) = (View::new(factors, columns, true), View::new(chunk.sums, width, false));
        gemm([columns, width, chunk.rows], left, d_sums, &mut self.out[..columns * width], !last, None)?;

        for (i, gate) in self.own.clone().enumerate() {
            let gradient = match cell.apart && gate + 1 == cell.gates {
                true => View::new(chunk.apart, units, false),
                false => View::new(&chunk.sums[(gate * units).min(chunk.sums.len())..], width, false),
            };
            let left = match &mut self.own_factors {
                None => View::new(&factors[(features + 1).min(factors.len())..], columns, true),
                Some(own) => {
                    let own = &mut own.elements()[..chunk.rows * (1 + units)];
                    let resets = gate >= cell.recurrent;
                    let of_gate = OfGate { gate, resets, states, first: chunk.first };
                    of_gate.gather((self.op, layout, kept), self.dropout, own);
                    View::new(own, 1 + units, true)
                }
            };
            let size = (1 + units) * units;
            let part = &mut self.parts.elements()[i * size..(i + 1) * size];
            gemm([1 + units, units, chunk.rows], left, gradient, part, !last, None)?;
        }
        Ok(())
    }

    /// Puts the parts of the gates with products of their own in their places.
    pub fn finish(self) {
        let WeightsGrad { op, layout, out, own, mut parts, .. } = self;
        let cell = layout.cell;
        let Extents { features, units, .. } = layout.at;
        let width = cell.gates * units;
        let of_products = &mut out[(features + 1) * width..];
        for (gate, part) in own.zip(parts.elements().chunks_exact((1 + units) * units)) {
            for (out, part) in of_products.chunks_exact_mut(width).zip(part.chunks_exact(units)) {
                out[gate * units..(gate + 1) * units].copy_from_slice(part);
            }
        }
        // Others have no bias of the products.
        if !(op.bias && cell.apart) {
            of_products[..width].fill(T::ZERO);
        }
    }
}

/// What the recurrent kernel of a gate was multiplied by.
struct OfGate<'a, T> {
    gate: usize,
    /// Whether the state went through the reset gate.
    resets: bool,
    states: &'a [T],
    first: usize,
}

impl<T: Float> OfGate<'_, T> {
    /// Writes rows of 1 and the state.
    fn gather(&self, (op, layout, kept): (&Recurrence, Layout, &[T]), dropout: Option<&[T]>, out: &mut [T]) {
        let Extents { batch, units, .. } = layout.at;
        threads::split_rows(out, batch * (1 + units), 1, |step, out| {
            for (step, out) in (step..).zip(out.chunks_exact_mut(batch * (1 + units))) {
                for (sample, out) in out.chunks_exact_mut(1 + units).enumerate() {
                    let row = |row: usize| layout.elements(row, &(sample..sample + 1));
                    let (one, out) = out.split_at_mut(1);
                    one[0] = T::ONE;
                    let state = &self.states[row(step)];
                    match dropout {
                        Some(dropout) => multiply(state, &dropout[row(self.gate)], out),
                        None => out.copy_from_slice(state),
                    }
                    if self.resets {
                        // By the second plane.
                        let plane = layout.plane(self.first + step, 1, &(sample..sample + 1));
                        scale_by_value(op.recurrent_activation, &kept[plane], out);
                    }
                }
            }
        });
    }
}

/// Elements of both factors that are made at a time: they stay in the cache until they are used. `Summary` states them.
const CHUNK: usize = 3 << 18;
/// Rows of the factors, at least: their packing must pay.
const CHUNK_ROWS: usize = 512;

/// Steps that are gone back through at a time.
pub(super) fn chunk(at: Extents, width: usize) -> usize {
    let of_step = at.batch * (width + at.features + at.units + 2);
    (CHUNK / of_step.max(1)).max(CHUNK_ROWS.div_ceil(at.batch.max(1))).clamp(1, at.steps)
}

/// The places of a pass, chunk by chunk.
pub(super) fn chunks(steps: usize, chunk: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..steps.div_ceil(chunk)).map(move |i| i * chunk..((i + 1) * chunk).min(steps))
}

/// For steps from `first` on, of all samples a step: the input, 1, 1, and as much of the state as there is room for.
fn gather<T: Float>(x: &[T], states: &[T], at: Extents, first: usize, columns: usize, out: &mut [T]) {
    let Extents { steps, batch, features, units } = at;
    threads::split_rows(out, columns, (1 << 14) / columns + 1, |start, out| {
        for (row, out) in (start..).zip(out.chunks_exact_mut(columns)) {
            let from = (row % batch * steps + first + row / batch) * features;
            let (to, rest) = out.split_at_mut(features);
            to.copy_from_slice(&x[from..from + features]);
            let (ones, state) = rest.split_at_mut(2);
            ones.fill(T::ONE);
            state.copy_from_slice(&states[row * units..][..state.len()]);
        }
    });
}

/// Multiplies by the values of a gate from its plane, in pieces that fit the stack.
fn scale_by_value<T: Float>(activation: Activation, plane: &[T], x: &mut [T]) {
    let mut room = [T::ZERO; 256];
    for (x, plane) in x.chunks_mut(256).zip(plane.chunks(256)) {
        scale(x, value_of(activation, plane, &mut room[..plane.len()]));
    }
}
