//! The passes of all cells on the CPU: groups of samples go through the sequence on their own, each over one thread.
//!
//! A step's numbers of a group stand in planes of `(samples, units)`, one for each gate, so that an activation is one long
//! loop whatever the number of units.

use super::{Cell, Extents, Grad, GradInputs, Inputs, Kind, Layout, Recurrence};
use crate::device::cpu::gemm::{View, gemm};
use crate::device::cpu::recurrent::{Product, Weights, groups};
use crate::device::cpu::{Float, Scratch, threads};
use crate::error::{Error, Result};
use crate::ops::activation::Activation;
use crate::ops::unary::SlopeOf;
use crate::tensor::Tensor;
use crate::with_float;
use smallvec::SmallVec;
use std::ops::Range;

/// A group's step forward.
pub struct Step<'a, T: 'static> {
    pub products: Products<'a, T>,
    pub sums: Sums<'a, T>,
    pub bias: Option<&'a [T]>,
    pub units: usize,
    /// What the backward reads.
    pub planes: [&'a mut [T]; 4],
    /// The states before the step, and after it.
    pub old: [&'a [T]; 2],
    pub new: [&'a mut [T]; 2],
    /// Room, a plane each: for values of gates whose slopes are of their sums, for products.
    pub room: [&'a mut [T]; 5],
}

/// A group's step back.
pub struct StepBack<'a, T: 'static> {
    pub products: Products<'a, T>,
    pub planes: [&'a [T]; 4],
    pub old: [&'a [T]; 2],
    pub new: [&'a [T]; 2],
    /// The gradients of the states after the step, which become those of the states before it.
    pub states: [&'a mut [T]; 2],
    /// Where the gradients of the sums go.
    pub sums: SumsBack<'a, T>,
    /// Where that of the last gate's product goes where it is apart.
    pub apart: &'a mut [T],
    /// Room, a plane each.
    pub room: [&'a mut [T]; 9],
}

/// The products of a group's state with the recurrent kernel of each gate, or with its transpose.
#[derive(Clone, Copy)]
pub struct Products<'a, T: 'static> {
    gates: &'a [Product<'a, T>],
    /// What the state is multiplied by for each gate.
    dropout: Option<[&'a [T]; 4]>,
    units: usize,
}

impl<T: Float> Products<'_, T> {
    /// The state times the kernel of a gate; `room` is for the state with dropout.
    pub fn of(&self, gate: usize, state: &[T], out: &mut [T], room: &mut [T]) {
        let rows = state.len() / self.units.max(1);
        match self.dropout {
            Some(dropout) => {
                multiply(state, dropout[gate], room);
                self.gates[gate].of(rows, room, self.units, out, self.units, false);
            }
            None => self.gates[gate].of(rows, state, self.units, out, self.units, false),
        }
    }

    /// Adds what the gradients of a gate, whose rows stand `distance` apart, give the state.
    pub fn back(&self, gate: usize, grads: &[T], distance: usize, state: &mut [T], room: &mut [T]) {
        let rows = state.len() / self.units.max(1);
        match self.dropout {
            Some(dropout) => {
                self.gates[gate].of(rows, grads, distance, room, self.units, false);
                multiply_add(room, dropout[gate], state);
            }
            None => self.gates[gate].of(rows, grads, distance, state, self.units, true),
        }
    }
}

/// The sums of a group's step, the gates side by side.
#[derive(Clone, Copy)]
pub struct Sums<'a, T> {
    pub rows: &'a [T],
    pub width: usize,
    pub units: usize,
}

impl<T: Float> Sums<'_, T> {
    /// Adds those of a gate to its plane.
    pub fn add_to(&self, gate: usize, plane: &mut [T]) {
        let from = gate * self.units..(gate + 1) * self.units;
        T::vectorize(
            #[inline(always)]
            || {
                for (plane, sums) in plane.chunks_exact_mut(self.units).zip(self.rows.chunks_exact(self.width)) {
                    plane.iter_mut().zip(&sums[from.clone()]).for_each(|(x, &sum)| *x += sum);
                }
            },
        );
    }
}

/// The gradients of a group's sums, the gates side by side.
pub struct SumsBack<'a, T> {
    pub rows: &'a mut [T],
    pub width: usize,
    pub units: usize,
}

impl<T: Float> SumsBack<'_, T> {
    /// Writes a plane to a gate's part, negligible numbers as 0.
    pub fn write(&mut self, gate: usize, plane: &[T]) {
        let to = gate * self.units..(gate + 1) * self.units;
        T::vectorize(
            #[inline(always)]
            || {
                for (plane, rows) in plane.chunks_exact(self.units).zip(self.rows.chunks_exact_mut(self.width)) {
                    rows[to.clone()].iter_mut().zip(plane).for_each(|(out, &x)| *out = x.flush());
                }
            },
        );
    }
}

/// The rows of a group's planes, and of its sums: where loops in vectors read and write.
#[derive(Clone, Copy)]
pub struct Rows {
    pub units: usize,
    pub width: usize,
    pub count: usize,
}

impl Rows {
    /// Where a plane begins, which has all rows.
    pub fn plane<T>(&self, plane: &[T]) -> *const T {
        assert_eq!(plane.len(), self.count * self.units);
        plane.as_ptr()
    }

    pub fn plane_mut<T>(&self, plane: &mut [T]) -> *mut T {
        assert_eq!(plane.len(), self.count * self.units);
        plane.as_mut_ptr()
    }

    /// Where sums begin, which have all rows.
    pub fn wide<T>(&self, sums: &[T]) -> *const T {
        assert_eq!(sums.len(), self.count * self.width);
        sums.as_ptr()
    }

    pub fn wide_mut<T>(&self, sums: &mut [T]) -> *mut T {
        assert_eq!(sums.len(), self.count * self.width);
        sums.as_mut_ptr()
    }

    /// Calls `work` for each vector of units of each row, with its place in planes and in sums, and how many lanes are units.
    #[inline(always)]
    pub fn each(&self, lanes: usize, mut work: impl FnMut(usize, usize, usize)) {
        for row in 0..self.count {
            for unit in (0..self.units).step_by(lanes) {
                work(row * self.units + unit, row * self.width + unit, (self.units - unit).min(lanes));
            }
        }
    }
}

/// Adds a gate's part of a bias to each row of its plane.
pub(super) fn add_bias<T: Float>(bias: Option<&[T]>, gate: usize, units: usize, plane: &mut [T]) {
    let Some(bias) = bias else { return };
    let bias = &bias[gate * units..(gate + 1) * units];
    T::vectorize(
        #[inline(always)]
        || {
            for row in plane.chunks_exact_mut(units) {
                row.iter_mut().zip(bias).for_each(|(x, &b)| *x += b);
            }
        },
    );
}

/// The activation of a plane: in place, or in `value` where the slope is of the argument, which then stays. Returns where
/// the values are.
pub(super) fn activate<'a, T: Float>(activation: Activation, plane: &'a mut [T], value: &'a mut [T]) -> &'a [T] {
    if activation.slope_of() == Some(SlopeOf::Input) {
        value_of(activation, plane, value)
    } else {
        activation.cpu(plane);
        plane
    }
}

/// The values of a gate from what [`activate`] left in its plane.
pub(super) fn value_of<'a, T: Float>(activation: Activation, plane: &'a [T], value: &'a mut [T]) -> &'a [T] {
    if activation.slope_of() == Some(SlopeOf::Input) {
        value.copy_from_slice(plane);
        activation.cpu(value);
        value
    } else {
        plane
    }
}

/// `out = x · by`, element by element.
pub(super) fn multiply<T: Float>(x: &[T], by: &[T], out: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || out.iter_mut().zip(x.iter().zip(by)).for_each(|(out, (&x, &by))| *out = x * by),
    );
}

/// `x = x · by`, element by element.
pub(super) fn scale<T: Float>(x: &mut [T], by: &[T]) {
    T::vectorize(
        #[inline(always)]
        || x.iter_mut().zip(by).for_each(|(x, &by)| *x = *x * by),
    );
}

/// Negligible numbers become 0.
pub(super) fn flush<T: Float>(x: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || x.iter_mut().for_each(|x| *x = x.flush()),
    );
}

/// `out += x · by`, element by element.
pub(super) fn multiply_add<T: Float>(x: &[T], by: &[T], out: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || out.iter_mut().zip(x.iter().zip(by)).for_each(|(out, (&x, &by))| *out = x.mul_add(by, *out)),
    );
}

/// Planes of `size` elements out of one piece of memory; those that do not fit are empty.
fn planes<T, const N: usize>(memory: &mut [T], size: usize) -> [&mut [T]; N] {
    let mut rest = memory.chunks_exact_mut(size.max(1));
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// The recurrent kernel of each gate, or its transpose, packed.
fn weights<T: Float>(cell: &Cell, kernel: &[T], units: usize, transposed: bool) -> Result<SmallVec<[Weights<T>; 4]>> {
    let width = cell.gates * units;
    let gate = |gate: usize| {
        let view = View::new(&kernel[(gate * units).min(kernel.len())..], width, transposed);
        Weights::new(view, units, units)
    };
    (0..cell.gates).map(gate).collect()
}

/// The dropout of a group for each gate.
fn dropout_of<'a, T>(
    dropout: Option<&'a [T]>,
    cell: &Cell,
    layout: &Layout,
    samples: &Range<usize>,
) -> Option<[&'a [T]; 4]> {
    let dropout = dropout?;
    Some(std::array::from_fn(|gate| if gate < cell.gates { &dropout[layout.elements(gate, samples)] } else { &[] }))
}

/// What dropout multiplies units by.
fn factors<T: Float>(dropout: Option<(&Tensor, f64)>) -> Result<Option<Scratch<T>>> {
    let Some((kept, scale)) = dropout else { return Ok(None) };
    let (kept, scale) = (kept.data::<bool>()?, <T as Float>::of(scale));
    let mut factors = Scratch::new(kept.len())?;
    factors.elements().iter_mut().zip(kept).for_each(|(x, &kept)| *x = if kept { scale } else { T::ZERO });
    Ok(Some(factors))
}

fn optional<'a, T: crate::dtype::Element>(tensor: Option<&'a Tensor>) -> Result<Option<&'a [T]>> {
    tensor.map(|t| t.data::<T>()).transpose()
}

/// The op of a cell.
pub(super) fn forward<K: Kind>(op: &Recurrence, inputs: &Inputs, outputs: &mut [Tensor]) -> Result<()> {
    let cell = &K::CELL;
    let [y, states, kept] = outputs else { return Err(Error::Internal(format!("{} has three outputs", cell.op))) };
    with_float!(inputs.sums.dtype(), cell.op, T => {
        let layout = op.layout(cell, inputs.extents());
        let mut ring = Scratch::new(if op.record { 0 } else { layout.size() })?;
        let kept = if op.record { kept.data_mut::<T>()? } else { ring.elements() };
        pass::<K, T>(op, layout, inputs, [y.data_mut()?, states.data_mut()?, kept])
    })
}

fn pass<K: Kind, T: Float>(op: &Recurrence, layout: Layout, inputs: &Inputs, outputs: [&mut [T]; 3]) -> Result<()> {
    let (cell, at @ Extents { steps, batch, units }) = (&K::CELL, layout.at);
    let width = cell.gates * units;
    let (sums, bias) = (inputs.sums.data::<T>()?, optional::<T>(inputs.bias)?);
    let initial = optional::<T>(inputs.initial)?;
    let mut dropout = factors::<T>(inputs.dropout)?;
    let dropout = dropout.as_mut().map(|factors| &*factors.elements());
    let mask = optional::<bool>(inputs.mask)?;
    let mut weights = weights(cell, inputs.kernel.data::<T>()?, units, false)?;
    let products: SmallVec<[_; 4]> = weights.iter_mut().map(Weights::shared).collect();
    let [y, states, kept] = outputs.map(|out| threads::Parts::new(out));
    groups(batch, &|samples: Range<usize>| {
        let size = samples.len() * units;
        let mut scratch = Scratch::new(5 * size)?;
        // SAFETY: samples are in one group, and parts of one group that are in use at a time are different ones.
        let part = |range: Range<usize>| unsafe { kept.slice(range) };
        let products = Products { gates: &products, dropout: dropout_of(dropout, cell, &layout, &samples), units };
        let first = op.time(0, steps);
        for state in 0..cell.states {
            let to = part(layout.before(state, first, &samples));
            match initial {
                Some(from) => to.copy_from_slice(&from[layout.elements(state, &samples)]),
                None => to.fill(T::ZERO),
            }
        }
        for place in 0..steps {
            let time = op.time(place, steps);
            let rows = (time * batch + samples.start) * width..(time * batch + samples.end) * width;
            let planes_of = |i| if i < cell.planes { part(layout.plane(time, i, &samples)) } else { &mut [][..] };
            let of_state = |i, range: Range<usize>| if i < cell.states { part(range) } else { &mut [][..] };
            let mut step = Step {
                products,
                sums: Sums { rows: &sums[rows], width, units },
                bias,
                units,
                planes: std::array::from_fn(planes_of),
                old: std::array::from_fn(|i| &*of_state(i, layout.before(i, time, &samples))),
                new: std::array::from_fn(|i| of_state(i, layout.after(i, time, &samples))),
                room: planes(scratch.elements(), size),
            };
            K::step(op, &mut step);
            let Step { old, new, .. } = step;
            for (old, new) in old.into_iter().zip(new).take(cell.states) {
                keep_masked(mask, at, time, &samples, old, new);
            }
            if op.pass.sequences {
                let h = part(layout.after(0, time, &samples));
                write_output(&y, (at, &samples, op.output_time(place, steps)), h, |i| op.zeroed(mask, at, time, i));
            }
        }
        let last = op.time(steps - 1, steps);
        for state in 0..cell.states {
            // SAFETY: samples are in one group.
            let to = unsafe { states.slice(layout.elements(state, &samples)) };
            to.copy_from_slice(part(layout.after(state, last, &samples)));
        }
        if !op.pass.sequences {
            let h = part(layout.after(0, last, &samples));
            write_output(&y, (Extents { steps: 1, ..at }, &samples, 0), h, |i| op.zeroed(mask, at, last, i));
        }
        Ok(())
    })
}

/// The backward of a cell's op: the gradients of the sums, of the recurrent kernel, of the states before the first step, and
/// of the bias where there is one.
pub(super) fn backward<K: Kind>(grad: &Grad, inputs: &GradInputs, outputs: &mut [Tensor]) -> Result<()> {
    let cell = &K::CELL;
    let [d_sums, rest @ ..] = outputs else { return Err(Error::Internal(format!("{} has outputs", cell.grad))) };
    let [d_kernel, d_initial, d_bias @ ..] = rest else {
        return Err(Error::Internal(format!("{} has outputs", cell.grad)));
    };
    with_float!(d_sums.dtype(), cell.grad, T => {
        let layout = grad.recurrence.layout(cell, inputs.extents);
        // What goes into the product of the last gate, where that is not the gradient of its sum.
        let mut apart = Scratch::new(if cell.apart { layout.at.steps * layout.at.batch * layout.at.units } else { 0 })?;
        let d_sums = d_sums.data_mut::<T>()?;
        let written = [&mut *d_sums, apart.elements(), d_initial.data_mut()?];
        pass_back::<K, T>(grad, layout, inputs, written)?;
        kernel_grad::<T>((&grad.recurrence, cell), layout, inputs, (d_sums, apart.elements()), d_kernel.data_mut()?)?;
        if let [d_bias] = d_bias {
            bias_grad::<T>(cell, layout.at.units, (d_sums, apart.elements()), d_bias.data_mut()?);
        }
        Ok(())
    })
}

fn pass_back<K: Kind, T: Float>(
    grad: &Grad,
    layout: Layout,
    inputs: &GradInputs,
    outputs: [&mut [T]; 3],
) -> Result<()> {
    let (cell, op) = (&K::CELL, &grad.recurrence);
    let at @ Extents { steps, batch, units } = layout.at;
    let width = cell.gates * units;
    let kept = inputs.kept.data::<T>()?;
    let mut dropout = factors::<T>(inputs.dropout)?;
    let dropout = dropout.as_mut().map(|factors| &*factors.elements());
    let (dy, d_states) = (optional::<T>(inputs.dy)?, optional::<T>(inputs.d_states)?);
    let mask = optional::<bool>(inputs.mask)?;
    let mut weights = weights(cell, inputs.kernel.data::<T>()?, units, true)?;
    let products: SmallVec<[_; 4]> = weights.iter_mut().map(Weights::shared).collect();
    let [d_sums, apart, d_initial] = outputs.map(|out| threads::Parts::new(out));
    groups(batch, &|samples: Range<usize>| {
        let size = samples.len() * units;
        let mut scratch = Scratch::new(13 * size)?;
        let (running, room) = scratch.elements().split_at_mut(4 * size);
        let [h, c, old_h, old_c]: [&mut [T]; 4] = planes(running, size);
        let mut room: [&mut [T]; 9] = planes(room, size);
        let products = Products { gates: &products, dropout: dropout_of(dropout, cell, &layout, &samples), units };
        for (state, d) in [&mut *h, &mut *c].into_iter().enumerate() {
            match d_states {
                Some(from) if state < cell.states => d.copy_from_slice(&from[layout.elements(state, &samples)]),
                _ => d.fill(T::ZERO),
            }
        }
        let last = op.time(steps - 1, steps);
        if let Some(dy) = dy.filter(|_| !op.pass.sequences) {
            add_output_grad(dy, (Extents { steps: 1, ..at }, &samples, 0), h, |i| op.zeroed(mask, at, last, i));
        }
        for place in (0..steps).rev() {
            let time = op.time(place, steps);
            if let Some(dy) = dy.filter(|_| op.pass.sequences) {
                let output = (at, &samples, op.output_time(place, steps));
                add_output_grad(dy, output, h, |i| op.zeroed(mask, at, time, i));
            }
            if mask.is_some() {
                old_h.copy_from_slice(h);
                old_c.copy_from_slice(c);
            }
            let of = |there: bool, range: Range<usize>| if there { &kept[range] } else { &[][..] };
            let rows = (time * batch + samples.start) * width..(time * batch + samples.end) * width;
            let in_apart = if cell.apart { layout.elements(time, &samples) } else { 0..0 };
            // SAFETY: samples are in one group, and each step has its own rows.
            let (rows, apart) = unsafe { (d_sums.slice(rows), apart.slice(in_apart)) };
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
                keep_masked(Some(mask), at, time, &samples, old_c, c);
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
        for (state, d) in [h, c].into_iter().enumerate().take(cell.states) {
            // SAFETY: samples are in one group.
            unsafe { d_initial.slice(layout.elements(state, &samples)) }.copy_from_slice(d);
        }
        Ok(())
    })
}

/// The gradient of the recurrent kernel: the states before all steps, transposed, times the gradients of the sums.
fn kernel_grad<T: Float>(
    (op, cell): (&Recurrence, &Cell),
    layout: Layout,
    inputs: &GradInputs,
    (d_sums, apart): (&[T], &[T]),
    out: &mut [T],
) -> Result<()> {
    let Extents { steps, batch, units } = layout.at;
    let (rows, width) = (steps * batch, cell.gates * units);
    let kept = inputs.kept.data::<T>()?;
    let mut dropout = factors::<T>(inputs.dropout)?;
    let dropout = dropout.as_mut().map(|factors| &*factors.elements());
    let states = &kept[layout.all_before(0)];
    if dropout.is_none() && !cell.apart && cell.recurrent == cell.gates {
        return gemm(
            [units, width, rows],
            View::new(states, units, true),
            View::new(d_sums, width, false),
            out,
            false,
            None,
        );
    }
    // Gate by gate: each has a state of its own, or a gradient.
    let (mut room, mut part) = (Scratch::new(rows * units)?, Scratch::new(units * units)?);
    for gate in 0..cell.gates {
        let state = if cell.recurrent == gate || dropout.is_some() {
            let room = room.elements();
            threads::split_rows(room, batch * units, 1, |first, room| {
                for (time, room) in (first..).zip(room.chunks_exact_mut(batch * units)) {
                    let from = &states[time * batch * units..(time + 1) * batch * units];
                    match dropout {
                        Some(dropout) => multiply(from, &dropout[layout.elements(gate, &(0..batch))], room),
                        None => room.copy_from_slice(from),
                    }
                    if cell.recurrent == gate {
                        // The gate's state went through the reset gate first.
                        let reset = &kept[layout.plane(time, 1, &(0..batch))];
                        let reset_value = op.recurrent_activation;
                        scale_by_value(reset_value, reset, room);
                    }
                }
            });
            &*room
        } else {
            states
        };
        let gradient = match cell.apart && gate == 2 {
            true => View::new(apart, units, false),
            false => View::new(&d_sums[(gate * units).min(d_sums.len())..], width, false),
        };
        let part = part.elements();
        gemm([units, units, rows], View::new(state, units, true), gradient, part, false, None)?;
        for (out, part) in out.chunks_exact_mut(width.max(1)).zip(part.chunks_exact(units.max(1))) {
            out[gate * units..(gate + 1) * units].copy_from_slice(part);
        }
    }
    Ok(())
}

/// Multiplies by the values of a gate from its plane, in pieces that fit the stack.
fn scale_by_value<T: Float>(activation: Activation, plane: &[T], x: &mut [T]) {
    let mut room = [T::ZERO; 256];
    for (x, plane) in x.chunks_mut(256).zip(plane.chunks(256)) {
        scale(x, value_of(activation, plane, &mut room[..plane.len()]));
    }
}

/// The gradient of the recurrent bias: those of the sums, added up in the order of time.
fn bias_grad<T: Float>(cell: &Cell, units: usize, (d_sums, apart): (&[T], &[T]), out: &mut [T]) {
    let width = cell.gates * units;
    out.fill(T::ZERO);
    T::vectorize(
        #[inline(always)]
        || {
            let own = if cell.apart { 2 * units } else { width };
            for row in d_sums.chunks_exact(width.max(1)) {
                out[..own].iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
            }
            for row in apart.chunks_exact(units.max(1)) {
                out[own..].iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
            }
        },
    );
}

/// The states of samples whose step is masked stay as they were.
fn keep_masked<T: Float>(
    mask: Option<&[bool]>,
    at: Extents,
    time: usize,
    samples: &Range<usize>,
    old: &[T],
    new: &mut [T],
) {
    let Some(mask) = mask else { return };
    let rows = old.chunks_exact(at.units.max(1)).zip(new.chunks_exact_mut(at.units.max(1)));
    for (sample, (old, new)) in samples.clone().zip(rows) {
        if !mask[sample * at.steps + time] {
            new.copy_from_slice(old);
        }
    }
}

/// Writes the state of a group to the output, which has a row of `at.steps` for each sample.
fn write_output<T: Float>(
    y: &threads::Parts<T>,
    (at, samples, time): (Extents, &Range<usize>, usize),
    h: &[T],
    zeroed: impl Fn(usize) -> bool,
) {
    let Extents { steps, units, .. } = at;
    for (sample, h) in samples.clone().zip(h.chunks_exact(units.max(1))) {
        let start = (sample * steps + time) * units;
        // SAFETY: each sample has its own rows of the output, and is in one group.
        let y = unsafe { y.slice(start..start + units) };
        if zeroed(sample) { y.fill(T::ZERO) } else { y.copy_from_slice(h) }
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
