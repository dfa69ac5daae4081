//! The passes of all cells on the CPU: groups of samples go through the sequence on their own, each over one thread.
//!
//! A step's numbers of a group stand in planes of `(samples, units)`, one for each gate, so that an activation is one long
//! loop whatever the number of units.

use super::{Cell, Extents, Grad, GradInputs, Inputs, Kind, Layout, Recurrence};
use crate::device::cpu::gemm::{View, gemm};
use crate::device::cpu::recurrent::{Product, Weights, groups};
use crate::device::cpu::{Float, Scratch, threads};
use crate::dtype::Element;
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

fn optional<T: Element>(tensor: Option<&Tensor>) -> Result<Option<&[T]>> {
    tensor.map(|t| t.data::<T>()).transpose()
}

/// The op of a cell.
pub(super) fn forward<K: Kind>(op: &Recurrence, inputs: &Inputs, outputs: &mut [Tensor]) -> Result<()> {
    let cell = &K::CELL;
    let [y, states, kept] = outputs else { return Err(Error::Internal(format!("{} has three outputs", cell.op))) };
    with_float!(inputs.x.dtype(), cell.op, T => {
        let layout = op.layout(cell, inputs.extents());
        let mut ring = Scratch::new(if op.record { 0 } else { layout.size() })?;
        let kept = if op.record { kept.data_mut::<T>()? } else { ring.elements() };
        pass::<K, T>(op, layout, inputs, [y.data_mut()?, states.data_mut()?, kept])
    })
}

fn pass<K: Kind, T: Float>(op: &Recurrence, layout: Layout, inputs: &Inputs, outputs: [&mut [T]; 3]) -> Result<()> {
    let (cell, at @ Extents { steps, batch, features, units }) = (&K::CELL, layout.at);
    let width = cell.gates * units;
    let (x, kernel) = (inputs.x.data::<T>()?, inputs.weights.kernel.data::<T>()?);
    // Of a cell whose products have a bias of their own that is the second row.
    let (bias, recurrent_bias) = optional::<T>(inputs.weights.bias)?.map(|bias| bias.split_at(width)).unzip();
    let recurrent_bias = recurrent_bias.filter(|bias| !bias.is_empty());
    let initial = optional::<T>(inputs.initial)?;
    let mut dropout = factors::<T>(inputs.dropout)?;
    let dropout = dropout.as_mut().map(|factors| &*factors.elements());
    let mask = optional::<bool>(inputs.mask)?;
    let mut weights = weights(cell, inputs.weights.recurrent_kernel.data::<T>()?, units, false)?;
    let products: SmallVec<[_; 4]> = weights.iter_mut().map(Weights::shared).collect();
    let [y, states, kept] = outputs.map(|out| threads::Parts::new(out));
    let chunk = chunk(at, width);
    let (mut xs, mut sums) = (Scratch::new(chunk * batch * features)?, Scratch::new(chunk * batch * width)?);
    for places in chunks(steps, chunk) {
        let earliest = op.time(places.start, steps).min(op.time(places.end - 1, steps));
        let (rows, finish) = (places.len() * batch, Activation::Linear.after(bias));
        let xs = &mut xs.elements()[..rows * features];
        gather(x, at, earliest, features, xs);
        let (xs, kernel, sums) =
            (View::new(xs, features, false), View::new(kernel, width, false), &mut sums.elements()[..rows * width]);
        gemm([rows, width, features], xs, kernel, sums, false, Some(&finish))?;
        groups(batch, 5 * units, &|samples, scratch| {
            let size = samples.len() * units;
            // SAFETY: samples are in one group, and parts of one group that are in use at a time are different ones.
            let part = |range: Range<usize>| unsafe { kept.slice(range) };
            let products = Products { gates: &products, dropout: dropout_of(dropout, cell, &layout, &samples), units };
            if places.start == 0 {
                for state in 0..cell.states {
                    let to = part(layout.before(state, op.time(0, steps), &samples));
                    match initial {
                        Some(from) => to.copy_from_slice(&from[layout.elements(state, &samples)]),
                        None => to.fill(T::ZERO),
                    }
                }
            }
            for place in places.clone() {
                let time = op.time(place, steps);
                let row = (time - earliest) * batch;
                let rows = (row + samples.start) * width..(row + samples.end) * width;
                let planes_of = |i| if i < cell.planes { part(layout.plane(time, i, &samples)) } else { &mut [][..] };
                let of_state = |i, range: Range<usize>| if i < cell.states { part(range) } else { &mut [][..] };
                let mut step = Step {
                    products,
                    sums: Sums { rows: &sums[rows], width, units },
                    bias: recurrent_bias,
                    units,
                    planes: std::array::from_fn(planes_of),
                    old: std::array::from_fn(|i| &*of_state(i, layout.before(i, time, &samples))),
                    new: std::array::from_fn(|i| of_state(i, layout.after(i, time, &samples))),
                    room: planes(scratch, size),
                };
                K::step(op, &mut step);
                let Step { old, new, .. } = step;
                for (old, new) in old.into_iter().zip(new).take(cell.states) {
                    keep_masked(mask, at, time, &samples, old, new);
                }
                let zeroed = |i| op.zeroed(mask, at, time, i);
                if op.pass.sequences {
                    let h = part(layout.after(0, time, &samples));
                    write_output(&y, (at, &samples, op.output_time(place, steps)), h, zeroed);
                }
                if place + 1 == steps {
                    for state in 0..cell.states {
                        // SAFETY: samples are in one group.
                        let to = unsafe { states.slice(layout.elements(state, &samples)) };
                        to.copy_from_slice(part(layout.after(state, time, &samples)));
                    }
                    if !op.pass.sequences {
                        let h = part(layout.after(0, time, &samples));
                        write_output(&y, (Extents { steps: 1, ..at }, &samples, 0), h, zeroed);
                    }
                }
            }
        })?;
    }
    Ok(())
}

/// Elements of the sums that are made at a time: they stay in the cache until they are used.
const CHUNK: usize = 1 << 18;
/// Rows of the products with the input's kernel, at least: its packing must pay.
const CHUNK_ROWS: usize = 512;

/// Steps whose sums are made at a time.
fn chunk(at: Extents, width: usize) -> usize {
    let of_step = (at.batch * width).max(1);
    (CHUNK / of_step).max(CHUNK_ROWS.div_ceil(at.batch.max(1))).clamp(1, at.steps)
}

/// The places of a pass, chunk by chunk.
fn chunks(steps: usize, chunk: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..steps.div_ceil(chunk)).map(move |i| i * chunk..((i + 1) * chunk).min(steps))
}

/// The input's rows of steps from `first` on, a step's beside each other, each in a row of `width`, whose rest becomes 1.
fn gather<T: Float>(x: &[T], at: Extents, first: usize, width: usize, out: &mut [T]) {
    let Extents { steps, batch, features, .. } = at;
    threads::split_rows(out, width, (1 << 14) / width.max(1) + 1, |start, out| {
        for (row, out) in (start..).zip(out.chunks_exact_mut(width)) {
            let from = (row % batch * steps + first + row / batch) * features;
            let (to, rest) = out.split_at_mut(features);
            to.copy_from_slice(&x[from..from + features]);
            rest.fill(T::ONE);
        }
    });
}

/// The opposite: rows of steps from `first` on go to where they belong.
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
        let mut recurrent = RecurrentGrad::new((op, cell), layout, inputs, of_state)?;
        let mut pass = PassBack::<T>::new((grad, cell), layout, inputs)?;
        for places in chunks(steps, chunk).rev() {
            let (rows, last) = (places.len() * batch, places.end == steps);
            let chunk = Chunk {
                first: op.time(places.start, steps).min(op.time(places.end - 1, steps)),
                rows,
                sums: &mut sums.elements()[..rows * width],
                apart: &mut apart.elements()[..if cell.apart { rows * units } else { 0 }],
            };
            pass.chunk::<K>(places, &chunk.first, [&mut *chunk.sums, &mut *chunk.apart, &mut *running])?;
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
    dropout: Option<Scratch<T>>,
    weights: SmallVec<[Weights<T>; 4]>,
}

impl<'a, T: Float> PassBack<'a, T> {
    fn new((grad, cell): (&'a Grad, &'a Cell), layout: Layout, inputs: &GradInputs<'a>) -> Result<Self> {
        Ok(PassBack {
            grad,
            cell,
            layout,
            kept: inputs.kept.data::<T>()?,
            dy: optional::<T>(inputs.dy)?,
            mask: optional::<bool>(inputs.mask)?,
            dropout: factors::<T>(inputs.dropout)?,
            weights: weights(cell, inputs.recurrent_kernel.data::<T>()?, layout.at.units, true)?,
        })
    }

    /// Goes back through the steps at these places, of which `first` is the earliest in time.
    fn chunk<K: Kind>(&mut self, places: Range<usize>, first: &usize, outputs: [&mut [T]; 3]) -> Result<()> {
        let PassBack { grad, cell, layout, kept, dy, mask, .. } = *self;
        let op = &grad.recurrence;
        let at @ Extents { steps, batch, units, .. } = layout.at;
        let width = cell.gates * units;
        let dropout = self.dropout.as_mut().map(|factors| &*factors.elements());
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
    dropout: Option<Scratch<T>>,
    kernel: &'a mut [T],
    bias: &'a mut [T],
    /// Where each gate has a state or a gradient of its own: its part of the kernel, and room for the states.
    parts: Option<(Scratch<T>, Scratch<T>)>,
}

impl<'a, T: Float> RecurrentGrad<'a, T> {
    fn new(
        (op, cell): (&'a Recurrence, &'a Cell),
        layout: Layout,
        inputs: &GradInputs<'a>,
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
            dropout: factors::<T>(inputs.dropout)?,
            kernel,
            bias,
            parts: apart.then(parts).transpose()?,
        })
    }

    /// Adds what a chunk gives; the last is the first to come.
    fn add(&mut self, chunk: &Chunk<T>, last: bool) -> Result<()> {
        let (cell, layout, kept) = (self.cell, self.layout, self.kept);
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
        let dropout = self.dropout.as_mut().map(|factors| &*factors.elements());
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
