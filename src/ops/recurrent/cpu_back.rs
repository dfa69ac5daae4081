//! The passes back of all cells on the CPU.

use super::cpu::{chunk, chunks, dropout_of, factors, gather, keep_masked, optional, weights};
use super::step::{Products, StepBack, SumsBack, multiply, planes, scale, value_of};
use super::{Cell, Extents, Grad, GradInputs, Kind, Layout, Recurrence};
use crate::device::cpu::gemm::{View, gemm};
use crate::device::cpu::recurrent::{Weights, groups};
use crate::device::cpu::{Float, Scratch, threads};
use crate::error::{Error, Result};
use crate::ops::activation::Activation;
use crate::tensor::Tensor;
use crate::with_float;
use smallvec::SmallVec;
use std::ops::Range;

/// What a pass back leaves of a chunk of steps, in rows of the samples of each step: the gradients of the sums, and of the last
/// gate's product where that is another.
struct Chunk<'a, T> {
    first: usize,
    rows: usize,
    sums: &'a mut [T],
    apart: &'a mut [T],
}

/// The backward of a cell's op.
pub(super) fn backward<K: Kind>(grad: &Grad, inputs: &GradInputs, outputs: &mut [Tensor]) -> Result<()> {
    let (cell, op) = (&K::CELL, &grad.recurrence);
    let [dx, d_weights, d_initial] = outputs else {
        return Err(Error::Internal(format!("{} has three outputs", cell.grad)));
    };
    with_float!(d_weights.dtype(), cell.grad, T => {
        let at @ Extents { steps, batch, features, units } = inputs.extents();
        let (width, layout) = (cell.gates * units, op.layout(cell, at));
        let (x, kernel) = (inputs.x.data::<T>()?, inputs.kernel.data::<T>()?);
        let chunk = chunk(at, width);
        let rows = chunk * batch;
        // The gradients of the states from chunk to chunk.
        let running = d_initial.data_mut::<T>()?;
        match optional::<T>(inputs.d_states)? {
            Some(d_states) => running.copy_from_slice(d_states),
            None => running.fill(T::ZERO),
        }
        let (mut xs, mut dxs) = (Scratch::new(rows * (features + 1))?, Scratch::new(rows * features)?);
        let (mut sums, mut apart) = (Scratch::new(rows * width)?, Scratch::new(if cell.apart { rows * units } else { 0 })?);
        let (of_input, of_state) = d_weights.data_mut::<T>()?.split_at_mut((features + 1) * width);
        let mut dropout = factors::<T>(inputs.dropout)?;
        let dropout = dropout.as_mut().map(|factors| &*factors.elements());
        let mut recurrent = RecurrentGrad::new((op, cell), layout, (inputs, dropout), of_state)?;
        let mut pass = PassBack::<T>::new((grad, cell), layout, (inputs, dropout))?;
        for places in chunks(steps, chunk).rev() {
            let (rows, last) = (places.len() * batch, places.end == steps);
            let chunk = Chunk {
                first: op.time(places.start, steps).min(op.time(places.end - 1, steps)),
                rows,
                sums: &mut sums.elements()[..rows * width],
                apart: &mut apart.elements()[..if cell.apart { rows * units } else { 0 }],
            };
            pass.chunk::<K>(places, chunk.first, [&mut *chunk.sums, &mut *chunk.apart, &mut *running])?;
            // With a column of ones behind the input the bias's gradient is the last row of the kernel's.
            let xs = &mut xs.elements()[..rows * (features + 1)];
            gather(x, at, chunk.first, features + 1, xs);
            let d_sums = View::new(chunk.sums, width, false);
            gemm([features + 1, width, rows], View::new(xs, features + 1, true), d_sums, of_input, !last, None)?;
            if grad.dx {
                let dxs = &mut dxs.elements()[..rows * features];
                gemm([rows, features, width], d_sums, View::new(kernel, width, true), dxs, false, None)?;
                scatter(dxs, at, chunk.first, dx.data_mut::<T>()?);
            }
            recurrent.add(&chunk, last)?;
        }
        recurrent.finish();
        Ok(())
    })
}

/// A pass back, chunk by chunk.
struct PassBack<'a, T: Float> {
    grad: &'a Grad,
    cell: &'a Cell,
    layout: Layout,
    kept: &'a [T],
    dy: Option<&'a [T]>,
    mask: Option<&'a [bool]>,
    dropout: Option<&'a [T]>,
    weights: SmallVec<[Weights<T>; 4]>,
}

impl<'a, T: Float> PassBack<'a, T> {
    fn new(
        (grad, cell): (&'a Grad, &'a Cell),
        layout: Layout,
        (inputs, dropout): (&GradInputs<'a>, Option<&'a [T]>),
    ) -> Result<Self> {
        Ok(PassBack {
            grad,
            cell,
            layout,
            kept: inputs.kept.data::<T>()?,
            dy: optional::<T>(inputs.dy)?,
            mask: optional::<bool>(inputs.mask)?,
            dropout,
            weights: weights(cell, inputs.recurrent_kernel.data::<T>()?, layout.at.units, true)?,
        })
    }

    /// Goes back through the steps at these places, of which `first` is the earliest in time.
    fn chunk<K: Kind>(&mut self, places: Range<usize>, first: usize, outputs: [&mut [T]; 3]) -> Result<()> {
        let PassBack { grad, cell, layout, kept, dy, mask, dropout, .. } = *self;
        let op = &grad.recurrence;
        let at @ Extents { steps, batch, units, .. } = layout.at;
        let width = cell.gates * units;
        let products: SmallVec<[_; 4]> = self.weights.iter_mut().map(Weights::shared).collect();
        let [d_sums, apart, running] = outputs.map(|out| threads::Parts::new(out));
        groups(batch, 11 * units, &|samples, scratch: &mut [T]| {
            let size = samples.len() * units;
            let (saved, room) = scratch.split_at_mut(2 * size);
            let [old_h, old_c]: [&mut [T]; 2] = planes(saved, size);
            let mut room: [&mut [T]; 9] = planes(room, size);
            // SAFETY: samples are in one group; so below, where each step has its own rows.
            let state = |i: usize| unsafe { running.slice(layout.elements(i, &samples)) };
            let (h, c) = (state(0), if cell.states > 1 { state(1) } else { &mut [][..] });
            let products = Products { gates: &products, dropout: dropout_of(dropout, cell, &layout, &samples), units };
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
                let (rows, apart) =
                    unsafe { (d_sums.slice(of_rows(width)), apart.slice(of_rows(if cell.apart { units } else { 0 }))) };
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
                for gate in 0..cell.recurrent {
                    let (grads, distance) = match cell.apart && gate == 2 {
                        true => (&*apart, units),
                        false => (&rows[(gate * units).min(rows.len())..], width),
                    };
                    products.back(gate, grads, distance, h, room);
                }
            }
        })
    }
}

/// The gradients of the recurrent kernel and its bias: the states before the steps, transposed, times the gradients of their
/// products.
struct RecurrentGrad<'a, T: Float> {
    op: &'a Recurrence,
    cell: &'a Cell,
    layout: Layout,
    kept: &'a [T],
    dropout: Option<&'a [T]>,
    kernel: &'a mut [T],
    bias: &'a mut [T],
    /// Where each gate has a state or a gradient of its own: its part of the kernel, and room for the states.
    parts: Option<(Scratch<T>, Scratch<T>)>,
}

impl<'a, T: Float> RecurrentGrad<'a, T> {
    fn new(
        (op, cell): (&'a Recurrence, &'a Cell),
        layout: Layout,
        (inputs, dropout): (&GradInputs<'a>, Option<&'a [T]>),
        out: &'a mut [T],
    ) -> Result<Self> {
        let Extents { batch, units, .. } = layout.at;
        let width = cell.gates * units;
        let (bias, kernel) = out.split_at_mut(width);
        bias.fill(T::ZERO);
        let apart = inputs.dropout.is_some() || cell.apart || cell.recurrent < cell.gates;
        let rows = chunk(layout.at, width) * batch;
        let parts = || Ok::<_, Error>((Scratch::new(units * width)?, Scratch::new(rows * units)?));
        Ok(RecurrentGrad {
            op,
            cell,
            layout,
            kept: inputs.kept.data::<T>()?,
            dropout,
            kernel,
            bias,
            parts: apart.then(parts).transpose()?,
        })
    }

    /// Adds what a chunk gives; the last is the first to come.
    fn add(&mut self, chunk: &Chunk<T>, last: bool) -> Result<()> {
        let RecurrentGrad { cell, layout, kept, dropout, .. } = *self;
        let Extents { batch, units, .. } = layout.at;
        let width = cell.gates * units;
        let first = layout.before(0, chunk.first, &(0..batch)).start;
        let states = &kept[first..first + chunk.rows * units];
        if self.op.bias && cell.apart {
            add_rows(&*chunk.sums, width, &mut self.bias[..2 * units]);
            add_rows(&*chunk.apart, units, &mut self.bias[2 * units..]);
        }
        let Some((parts, room)) = &mut self.parts else {
            let d_sums = View::new(chunk.sums, width, false);
            return gemm([units, width, chunk.rows], View::new(states, units, true), d_sums, self.kernel, !last, None);
        };
        for gate in 0..cell.gates {
            let reset = gate >= cell.recurrent;
            let state = if reset || dropout.is_some() {
                let room = &mut room.elements()[..chunk.rows * units];
                threads::split_rows(room, batch * units, 1, |step, room| {
                    for (step, room) in (step..).zip(room.chunks_exact_mut(batch * units)) {
                        let from = &states[step * batch * units..(step + 1) * batch * units];
                        match dropout {
                            Some(dropout) => multiply(from, &dropout[layout.elements(gate, &(0..batch))], room),
                            None => room.copy_from_slice(from),
                        }
                        if reset {
                            // The state went through the reset gate, the second plane.
                            let plane = &kept[layout.plane(chunk.first + step, 1, &(0..batch))];
                            scale_by_value(self.op.recurrent_activation, plane, room);
                        }
                    }
                });
                &*room
            } else {
                states
            };
            let gradient = match cell.apart && gate == 2 {
                true => View::new(chunk.apart, units, false),
                false => View::new(&chunk.sums[(gate * units).min(chunk.sums.len())..], width, false),
            };
            let part = &mut parts.elements()[gate * units * units..(gate + 1) * units * units];
            gemm([units, units, chunk.rows], View::new(state, units, true), gradient, part, !last, None)?;
        }
        Ok(())
    }

    /// Puts the gates' parts side by side.
    fn finish(self) {
        let RecurrentGrad { cell, layout, kernel, parts: Some((mut parts, _)), .. } = self else { return };
        let units = layout.at.units;
        for (gate, part) in parts.elements().chunks_exact(units * units).enumerate() {
            for (out, part) in kernel.chunks_exact_mut(cell.gates * units).zip(part.chunks_exact(units)) {
                out[gate * units..(gate + 1) * units].copy_from_slice(part);
            }
        }
    }
}

/// Adds the first columns of rows of `width` to `sums`, over the threads column by column.
fn add_rows<T: Float>(rows: &[T], width: usize, sums: &mut [T]) {
    threads::split_rows(sums, 1, 32, |first, sums| {
        T::vectorize(
            #[inline(always)]
            || {
                for row in rows.chunks_exact(width) {
                    sums.iter_mut().zip(&row[first..]).for_each(|(sum, &x)| *sum += x);
                }
            },
        );
    });
}

/// Multiplies by the values of a gate from its plane, in pieces that fit the stack.
fn scale_by_value<T: Float>(activation: Activation, plane: &[T], x: &mut [T]) {
    let mut room = [T::ZERO; 256];
    for (x, plane) in x.chunks_mut(256).zip(plane.chunks(256)) {
        scale(x, value_of(activation, plane, &mut room[..plane.len()]));
    }
}

/// The opposite of [`gather`]: rows of steps from `first` on go to where they belong.
fn scatter<T: Float>(rows: &[T], at: Extents, first: usize, out: &mut [T]) {
    let Extents { steps, batch, features, .. } = at;
    let count = rows.len() / (batch * features).max(1);
    threads::split_rows(out, steps * features, ((1 << 14) / (count * features).max(1)).max(1), |start, out| {
        for (sample, out) in (start..).zip(out.chunks_exact_mut(steps * features)) {
            for step in 0..count {
                let (from, to) = ((step * batch + sample) * features, (first + step) * features);
                out[to..to + features].copy_from_slice(&rows[from..from + features]);
            }
        }
    });
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
