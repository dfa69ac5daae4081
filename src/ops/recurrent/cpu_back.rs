//! The passes back of all cells on the CPU.

use super::cpu::{dropout_of, factors, keep_masked, optional, rows_together, together, weights};
use super::cpu_weights::{Chunk, WeightsGrad, chunk, chunks};
use super::step::{Products, StepBack, SumsBack, planes};
use super::{Extents, Grad, GradInputs, Kind, Layout};
use crate::device::cpu::gemm::{Left, View};
use crate::device::cpu::recurrent::{GROUP, Weights, groups};
use crate::device::cpu::{Float, Scratch, threads};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::with_float;
use smallvec::SmallVec;
use std::ops::Range;

/// The backward of a cell's op.
pub(super) fn backward<K: Kind>(grad: &Grad, inputs: &GradInputs, outputs: &mut [Tensor]) -> Result<()> {
    let (cell, op) = (&K::CELL, &grad.recurrence);
    let [dx, d_weights, d_initial] = outputs else {
        return Err(Error::Internal(format!("{} has three outputs", cell.grad)));
    };
    with_float!(d_weights.dtype(), cell.grad, T => {
        let at @ Extents { steps, batch, units, .. } = inputs.extents();
        let (width, layout) = (cell.gates * units, op.layout(cell, at));
        let x = inputs.x.data::<T>()?;
        let chunk = chunk(at, width);
        let rows = chunk * batch;
        // The gradients of the states from chunk to chunk.
        let running = d_initial.data_mut::<T>()?;
        match optional::<T>(inputs.d_states)? {
            Some(d_states) => running.copy_from_slice(d_states),
            None => running.fill(T::ZERO),
        }
        let mut sums = Scratch::new(rows * width)?;
        let mut apart = Scratch::new(if cell.apart { rows * units } else { 0 })?;
        let mut dropout = factors::<T>(inputs.dropout)?;
        let dropout = dropout.as_mut().map(|factors| &*factors.elements());
        let mut weights_grad = WeightsGrad::new(op, (layout, chunk), (inputs, dropout), d_weights.data_mut::<T>()?)?;
        let mut pass = PassBack::<T>::new(grad, layout, (inputs, dropout))?;
        let dx = if grad.dx { dx.data_mut::<T>()? } else { &mut [] };
        for places in chunks(steps, chunk).rev() {
            let (rows, last) = (places.len() * batch, places.end == steps);
            let chunk = Chunk {
                first: op.time(places.start, steps).min(op.time(places.end - 1, steps)),
                rows,
                sums: &mut sums.elements()[..rows * width],
                apart: &mut apart.elements()[..if cell.apart { rows * units } else { 0 }],
            };
            pass.chunk::<K>(places, chunk.first, [&mut *chunk.sums, &mut *chunk.apart, &mut *running, &mut *dx])?;
            weights_grad.add(x, &chunk, last)?;
        }
        weights_grad.finish();
        Ok(())
    })
}

/// A pass back, chunk by chunk.
struct PassBack<'a, T: Float> {
    grad: &'a Grad,
    layout: Layout,
    kept: &'a [T],
    dy: Option<&'a [T]>,
    mask: Option<&'a [bool]>,
    dropout: Option<&'a [T]>,
    weights: SmallVec<[Weights<T>; 4]>,
    /// The transposed kernel of the input, where its gradient is asked for.
    of_input: Option<Weights<T>>,
}

impl<'a, T: Float> PassBack<'a, T> {
    fn new(grad: &'a Grad, layout: Layout, (inputs, dropout): (&GradInputs<'a>, Option<&'a [T]>)) -> Result<Self> {
        let (cell, Extents { features, units, .. }) = (&layout.cell, layout.at);
        let width = cell.gates * units;
        let of_input =
            grad.dx.then(|| Weights::new(View::new(inputs.kernel.data::<T>()?, width, true), width, features));
        Ok(PassBack {
            grad,
            layout,
            kept: inputs.kept.data::<T>()?,
            dy: optional::<T>(inputs.dy)?,
            mask: optional::<bool>(inputs.mask)?,
            dropout,
            weights: weights(cell, inputs.recurrent_kernel.data::<T>()?, units, (true, dropout.is_some()))?,
            of_input: of_input.transpose()?,
        })
    }

    /// Goes back through the steps at these places, of which `first` is the earliest in time.
    fn chunk<K: Kind>(&mut self, places: Range<usize>, first: usize, outputs: [&mut [T]; 4]) -> Result<()> {
        let PassBack { grad, layout, kept, dy, mask, dropout, .. } = *self;
        let (op, cell) = (&grad.recurrence, &layout.cell);
        let at @ Extents { steps, batch, features, units } = layout.at;
        let width = cell.gates * units;
        let of_input = self.of_input.as_mut().map(Weights::shared);
        let products: SmallVec<[_; 4]> = self.weights.iter_mut().map(Weights::shared).collect();
        let [d_sums, apart, running, dx] = outputs.map(|out| threads::Parts::new(out));
        groups(batch, [GROUP * width, 11 * units], &|samples, scratch: &mut [T]| {
            let (count, size) = (samples.len(), samples.len() * units);
            let together = together(count);
            let (sums, scratch) = scratch.split_at_mut(GROUP * width);
            let (saved, room) = scratch.split_at_mut(2 * size);
            let [old_h, old_c]: [&mut [T]; 2] = planes(saved, size);
            let mut room: [&mut [T]; 9] = planes(room, size);
            // SAFETY: samples are in one group; so below, where each step has its own rows.
            let state = |i: usize| unsafe { running.slice(layout.elements(i, &samples)) };
            let (h, c) = (state(0), if cell.states > 1 { state(1) } else { &mut [][..] });
            let products = Products { gates: &products, dropout: dropout_of(dropout, &layout, &samples), units };
            for place in places.clone().rev() {
                let time = op.time(place, steps);
                let zeroed = |i| op.zeroed(mask, at, time, i);
                match dy {
                    Some(dy) if op.pass.sequences => {
                        add_output_grad(dy, (at, &samples, op.output_time(place, steps)), h, zeroed);
                    }
                    Some(dy) if place + 1 == steps => {
                        add_output_grad(dy, (Extents { steps: 1, ..at }, &samples, 0), h, zeroed);
                    }
                    _ => {}
                }
                if mask.is_some() {
                    old_h.copy_from_slice(h);
                    old_c[..c.len()].copy_from_slice(c);
                }
                let of = |there: bool, range: Range<usize>| if there { &kept[range] } else { &[][..] };
                let row = (time - first) * batch;
                let of_rows = |width: usize| (row + samples.start) * width..(row + samples.end) * width;
                // SAFETY: as above.
                let apart = unsafe { apart.slice(of_rows(if cell.apart { units } else { 0 })) };
                let done = place - places.start;
                // SAFETY: as above.
                let rows = unsafe { d_sums.slice(of_rows(width)) };
                let mut step = StepBack {
                    products,
                    planes: std::array::from_fn(|i| of(i < cell.planes, layout.plane(time, i, &samples))),
                    old: std::array::from_fn(|i| of(i < cell.states, layout.before(i, time, &samples))),
                    new: std::array::from_fn(|i| of(i < cell.states, layout.after(i, time, &samples))),
                    states: [&mut *h, &mut *c],
                    sums: SumsBack { rows, width, units },
                    apart,
                    room: room.each_mut().map(|room| &mut **room),
                };
                K::step_back(op, &mut step);
                let StepBack { sums: SumsBack { rows, .. }, apart, states: [h, c], room: [room, ..], .. } = step;
                if let Some(mask) = mask {
                    let masked = |row: usize| !mask[(samples.start + row) * steps + time];
                    zero_rows(rows, width, masked);
                    zero_rows(apart, units, masked);
                    // Nothing goes through a masked step's products, so its own gradient is all that is left to the sample.
                    keep_masked(Some(mask), at, time, &samples, &old_c[..c.len()], c);
                    keep_masked(Some(mask), at, time, &samples, old_h, h);
                }
                if let ([all], None) = (products.gates, products.dropout) {
                    all.of(count, Left::Rows(rows, width), h, units, true);
                } else {
                    for gate in 0..cell.recurrent {
                        let (grads, distance) = match cell.apart && gate == 2 {
                            true => (&*apart, units),
                            false => (&rows[(gate * units).min(rows.len())..], width),
                        };
                        products.back(gate, grads, distance, h, room);
                    }
                }
                let Some(of_input) = of_input else { continue };
                // SAFETY: as above.
                let dx = unsafe { dx.slice(samples.start * steps * features..samples.end * steps * features) };
                if together == 1 {
                    of_input.of(count, Left::Rows(rows, width), &mut dx[time * features..], steps * features, false);
                    continue;
                }
                let at_place = done % together * count * width;
                sums[at_place..at_place + rows.len()].copy_from_slice(rows);
                // They go together once the first of them is gone through.
                if done.is_multiple_of(together) {
                    let places = place..(place + together).min(places.end);
                    let (dx_rows, sum_rows) = rows_together(op, at, (places, count), width);
                    of_input.of_rows((sums, &sum_rows), (dx, &dx_rows), false);
                }
            }
        })
    }
}

/// Adds the output's gradient to that of a group's state.
fn add_output_grad<T: Float>(
    dy: &[T],
    (at, samples, time): (Extents, &Range<usize>, usize),
    h: &mut [T],
    zeroed: impl Fn(usize) -> bool,
) {
    let Extents { steps, units, .. } = at;
    for (sample, h) in samples.clone().zip(h.chunks_exact_mut(units.max(1))) {
        if !zeroed(sample) {
            let start = (sample * steps + time) * units;
            h.iter_mut().zip(&dy[start..start + units]).for_each(|(h, &dy)| *h += dy);
        }
    }
}

/// The rows of masked samples become 0.
fn zero_rows<T: Float>(rows: &mut [T], width: usize, masked: impl Fn(usize) -> bool) {
    for (i, row) in rows.chunks_exact_mut(width.max(1)).enumerate() {
        if masked(i) {
            row.fill(T::ZERO);
        }
    }
}
