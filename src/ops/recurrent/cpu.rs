//! The passes of all cells on the CPU: groups of samples go through the sequence on their own, each on one thread.

use super::step::{Products, Step, Sums, planes};
use super::{Cell, Extents, Inputs, Kind, Layout, Recurrence};
use crate::device::cpu::gemm::{View, gemm};
use crate::device::cpu::recurrent::{Weights, groups};
use crate::device::cpu::{Float, Scratch, threads};
use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::ops::activation::Activation;
use crate::tensor::Tensor;
use crate::with_float;
use smallvec::SmallVec;
use std::ops::Range;

/// The recurrent kernel of each gate, or its transpose, packed.
pub(super) fn weights<T: Float>(
    cell: &Cell,
    kernel: &[T],
    units: usize,
    transposed: bool,
) -> Result<SmallVec<[Weights<T>; 4]>> {
    let width = cell.gates * units;
    let gate = |gate: usize| {
        let view = View::new(&kernel[(gate * units).min(kernel.len())..], width, transposed);
        Weights::new(view, units, units)
    };
    (0..cell.gates).map(gate).collect()
}

/// The dropout of a group for each gate.
pub(super) fn dropout_of<'a, T>(
    dropout: Option<&'a [T]>,
    cell: &Cell,
    layout: &Layout,
    samples: &Range<usize>,
) -> Option<[&'a [T]; 4]> {
    let dropout = dropout?;
    Some(std::array::from_fn(|gate| if gate < cell.gates { &dropout[layout.elements(gate, samples)] } else { &[] }))
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
pub(super) fn chunk(at: Extents, width: usize) -> usize {
    let of_step = (at.batch * width).max(1);
    (CHUNK / of_step).max(CHUNK_ROWS.div_ceil(at.batch.max(1))).clamp(1, at.steps)
}

/// The places of a pass, chunk by chunk.
pub(super) fn chunks(steps: usize, chunk: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..steps.div_ceil(chunk)).map(move |i| i * chunk..((i + 1) * chunk).min(steps))
}

/// The input's rows of steps from `first` on, a step's beside each other, each in a row of `width`, whose rest becomes 1.
pub(super) fn gather<T: Float>(x: &[T], at: Extents, first: usize, width: usize, out: &mut [T]) {
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
