//! The passes of all cells on the CPU: groups of samples go through the sequence on their own, each on one thread.

use super::step::{Products, Step, Sums, planes};
use super::{Cell, Extents, Inputs, Kind, Layout, Recurrence};
use crate::device::cpu::gemm::{Left, View};
use crate::device::cpu::recurrent::{GROUP, Weights, groups};
use crate::device::cpu::{Float, Scratch, threads};
use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::with_float;
use smallvec::SmallVec;
use std::ops::Range;

/// The recurrent kernel of each gate, or its transpose, packed; in one piece where all gates have the same state and their
/// sums the gradients of their products.
pub(super) fn weights<T: Float>(
    cell: &Cell,
    kernel: &[T],
    units: usize,
    (transposed, dropout): (bool, bool),
) -> Result<SmallVec<[Weights<T>; 4]>> {
    let width = cell.gates * units;
    let each = dropout || cell.apart || cell.recurrent < cell.gates;
    let (pieces, columns) = if each { (cell.gates, units) } else { (1, width) };
    let (depth, columns) = if transposed { (columns, units) } else { (units, columns) };
    let piece = |piece: usize| {
        let view = View::new(&kernel[(piece * units).min(kernel.len())..], width, transposed);
        Weights::new(view, depth, columns)
    };
    (0..pieces).map(piece).collect()
}

/// The dropout of a group for each gate.
pub(super) fn dropout_of<'a, T>(
    dropout: Option<&'a [T]>,
    layout: &Layout,
    samples: &Range<usize>,
) -> Option<[&'a [T]; 4]> {
    let dropout = dropout?;
    Some(std::array::from_fn(
        |gate| if gate < layout.cell.gates { &dropout[layout.elements(gate, samples)] } else { &[] },
    ))
}

/// What dropout multiplies units by.
pub(super) fn factors<T: Float>(dropout: Option<(&Tensor, f64)>) -> Result<Option<Scratch<T>>> {
    let Some((kept, scale)) = dropout else { return Ok(None) };
    let (kept, scale) = (kept.data::<bool>()?, <T as Float>::of(scale));
    let mut factors = Scratch::new(kept.len())?;
    factors.elements().iter_mut().zip(kept).for_each(|(x, &kept)| *x = if kept { scale } else { T::ZERO });
    Ok(Some(factors))
}

pub(super) fn optional<T: Element>(tensor: Option<&Tensor>) -> Result<Option<&[T]>> {
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
    let recurrent_kernel = inputs.weights.recurrent_kernel.data::<T>()?;
    let mut weights = weights(cell, recurrent_kernel, units, (false, dropout.is_some()))?;
    let products: SmallVec<[_; 4]> = weights.iter_mut().map(Weights::shared).collect();
    let mut of_input = Weights::new(View::new(kernel, width, false), features, width)?;
    let of_input = of_input.shared();
    let [y, states, kept] = outputs.map(|out| threads::Parts::new(out));
    groups(batch, [GROUP * width, 5 * units], &|samples, scratch| {
        let (count, size) = (samples.len(), samples.len() * units);
        let x = &x[samples.start * steps * features..samples.end * steps * features];
        let (sums, room) = scratch.split_at_mut(GROUP * width);
        // SAFETY: samples are in one group, and parts of one group that are in use at a time are different ones.
        let part = |range: Range<usize>| unsafe { kept.slice(range) };
        let products = Products { gates: &products, dropout: dropout_of(dropout, &layout, &samples), units };
        for state in 0..cell.states {
            let to = part(layout.before(state, op.time(0, steps), &samples));
            match initial {
                Some(from) => to.copy_from_slice(&from[layout.elements(state, &samples)]),
                None => to.fill(T::ZERO),
            }
        }
        let together = together(count);
        for place in 0..steps {
            if place % together == 0 {
                let places = place..(place + together).min(steps);
                let sums = &mut sums[..places.len() * count * width];
                sums.chunks_exact_mut(width).for_each(|row| match bias {
                    Some(bias) => row.copy_from_slice(bias),
                    None => row.fill(T::ZERO),
                });
                if together == 1 {
                    of_input.of(
                        count,
                        Left::Rows(&x[op.time(place, steps) * features..], steps * features),
                        sums,
                        width,
                        true,
                    );
                } else {
                    let (x_rows, sum_rows) = rows_together(op, at, (places, count), width);
                    of_input.of_rows((x, &x_rows), (sums, &sum_rows), true);
                }
            }
            let time = op.time(place, steps);
            let row = place % together * count;
            let planes_of = |i| if i < cell.planes { part(layout.plane(time, i, &samples)) } else { &mut [][..] };
            let of_state = |i, range: Range<usize>| if i < cell.states { part(range) } else { &mut [][..] };
            let mut step = Step {
                products,
                sums: Sums { rows: &mut sums[row * width..(row + count) * width], width, units },
                bias: recurrent_bias,
                units,
                planes: std::array::from_fn(planes_of),
                old: std::array::from_fn(|i| &*of_state(i, layout.before(i, time, &samples))),
                new: std::array::from_fn(|i| of_state(i, layout.after(i, time, &samples))),
                room: planes(room, size),
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
    })
}

/// Steps of a group that go through a product with the input's kernel at a time: one where there are samples enough for it.
pub(super) fn together(samples: usize) -> usize {
    (GROUP / samples.max(1)).max(1)
}

/// Where the rows of such a product of a group begin, those of a place after those of the place before: in the input of the
/// group's samples, and in rows of `width`.
pub(super) fn rows_together(
    op: &Recurrence,
    at: Extents,
    (places, count): (Range<usize>, usize),
    width: usize,
) -> (Starts, Starts) {
    let time = |place: usize| op.time(place, at.steps);
    let rows = places.flat_map(|place| (0..count).map(move |sample| (sample * at.steps + time(place)) * at.features));
    rows.enumerate().map(|(i, row)| (row, i * width)).unzip()
}

/// As many rows as go together at most.
type Starts = SmallVec<[usize; GROUP]>;

/// The states of samples whose step is masked stay as they were.
pub(super) fn keep_masked<T: Float>(
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
