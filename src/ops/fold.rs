//! How memory is walked where axes are folded: the plan, the folding on the CPU, and the launch.

use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::ops::Range;

/// The axes of an input with neighbours of one kind merged, the kept and the reduced ones apart.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    kept: [(usize, usize); MAX_RANK],
    reduced: [(usize, usize); MAX_RANK],
    kept_rank: usize,
    reduced_rank: usize,
    /// Whether the innermost axis is a reduced one.
    inner_reduced: bool,
}

impl Plan {
    /// How an array of this shape is reduced over the masked axes.
    pub fn new(shape: &Shape, mask: &[bool; MAX_RANK]) -> Plan {
        let none = [(1, 0); MAX_RANK];
        let mut plan = Plan { kept: none, reduced: none, kept_rank: 0, reduced_rank: 0, inner_reduced: false };
        let strides = shape.strides();
        let mut before = None;
        for i in (0..shape.rank()).filter(|&i| shape[i] != 1) {
            let (list, rank) = if mask[i] {
                (&mut plan.reduced, &mut plan.reduced_rank)
            } else {
                (&mut plan.kept, &mut plan.kept_rank)
            };
            if before == Some(mask[i]) {
                list[*rank - 1] = (list[*rank - 1].0 * shape[i], strides[i]);
            } else {
                list[*rank] = (shape[i], strides[i]);
                *rank += 1;
            }
            before = Some(mask[i]);
        }
        plan.inner_reduced = before == Some(true);
        plan
    }

    fn offset(axes: &[(usize, usize)], index: usize) -> usize {
        let (mut index, mut offset) = (index, 0);
        for &(extent, stride) in axes.iter().rev() {
            offset += index % extent * stride;
            index /= extent;
        }
        offset
    }

    /// The arguments of a reducing kernel after its pointers: outputs, elements an output, then extents and strides of
    /// the kept axes and of the reduced ones, four of each (merged axes alternate, so eight make at most four of a kind).
    pub fn args(&self, outputs: usize, count: usize) -> [Arg; 18] {
        let mut args = [Arg::I64(0); 18];
        args[0] = Arg::I64(outputs as i64);
        args[1] = Arg::I64(count as i64);
        for i in 0..4 {
            args[2 + i] = Arg::I64(self.kept[i].0 as i64);
            args[6 + i] = Arg::I64(self.kept[i].1 as i64);
            args[10 + i] = Arg::I64(self.reduced[i].0 as i64);
            args[14 + i] = Arg::I64(self.reduced[i].1 as i64);
        }
        args
    }
}

/// Folds the masked axes of `x` on the CPU: `out = finish(fold of start and the elements)`.
///
/// The order of the folding depends on the shape alone, so a rerun gives the same bits with any number of threads.
pub fn cpu<T: Float>(
    x: &[T],
    shape: &Shape,
    mask: &[bool; MAX_RANK],
    out: &mut [T],
    start: T,
    fold: impl Fn(T, T) -> T + Sync + Copy,
    finish: impl Fn(T) -> T + Sync + Copy,
) {
    if x.is_empty() || out.is_empty() {
        out.fill(finish(start));
        return;
    }
    let plan = Plan::new(shape, mask);
    let (kept, reduced) = (&plan.kept[..plan.kept_rank], &plan.reduced[..plan.reduced_rank]);
    let count = x.len() / out.len();
    if plan.inner_reduced {
        let (outer, row) = (&reduced[..plan.reduced_rank - 1], reduced[plan.reduced_rank - 1].0);
        threads::split_rows(out, 1, (1usize << 14).div_ceil(count), |first, out| {
            for (i, out) in out.iter_mut().enumerate() {
                let base = Plan::offset(kept, first + i);
                let mut sum = start;
                for r in 0..count / row {
                    let at = base + Plan::offset(outer, r);
                    sum = fold(sum, fold_row(&x[at..at + row], start, fold));
                }
                *out = finish(sum);
            }
        });
    } else {
        // The innermost kept axis is contiguous in both arrays: whole rows are folded into rows of the output.
        let (outer, row) = match kept.split_last() {
            Some((last, outer)) => (outer, last.0),
            None => (kept, 1),
        };
        let chunk = row.min(512);
        let chunks = row.div_ceil(chunk);
        let parts = threads::Parts::new(out);
        let pieces = out.len() / row * chunks;
        threads::split(pieces, (1usize << 14).div_ceil(count * chunk), &|range| {
            for piece in range {
                let (o, c) = (piece / chunks, piece % chunks);
                let columns = c * chunk..((c + 1) * chunk).min(row);
                let base = Plan::offset(outer, o) + columns.start;
                // SAFETY: each piece is a part of its own of one output row.
                let out = unsafe { parts.slice(o * row + columns.start..o * row + columns.end) };
                let row_at = |r: usize| {
                    let at = base + Plan::offset(reduced, r);
                    &x[at..at + columns.len()]
                };
                fold_rows(0..count, &row_at, out, start, fold);
                out.iter_mut().for_each(|o| *o = finish(*o));
            }
        });
    }
}

/// The longest row that is folded in one piece.
const ROW: usize = 1 << 13;

/// Folds a row by halves, and short ones in 32 lanes, which is fast and loses less than one running sum.
fn fold_row<T: Float>(x: &[T], start: T, fold: impl Fn(T, T) -> T + Sync + Copy) -> T {
    if x.len() > ROW {
        let (a, b) = x.split_at((x.len() / 2).next_multiple_of(32));
        return fold(fold_row(a, start, fold), fold_row(b, start, fold));
    }
    T::vectorize(
        #[inline(always)]
        || {
            let mut lanes = [start; 32];
            let (whole, rest) = x.as_chunks::<32>();
            for chunk in whole {
                lanes.iter_mut().zip(chunk).for_each(|(l, &x)| *l = fold(*l, x));
            }
            lanes.iter_mut().zip(rest).for_each(|(l, &x)| *l = fold(*l, x));
            for half in [16, 8, 4, 2, 1] {
                let (low, high) = lanes.split_at_mut(half);
                low.iter_mut().zip(high).for_each(|(a, &mut b)| *a = fold(*a, b));
            }
            lanes[0]
        },
    )
}

/// Folds rows of at most 512 columns into `out`, by halves as [`fold_row`] does.
fn fold_rows<'a, T: Float>(
    rows: Range<usize>,
    row_at: &(impl Fn(usize) -> &'a [T] + Sync),
    out: &mut [T],
    start: T,
    fold: impl Fn(T, T) -> T + Sync + Copy,
) {
    if rows.len() > 256 {
        let middle = rows.start + rows.len() / 2;
        let mut half = [start; 512];
        let half = &mut half[..out.len()];
        let large = rows.len() * out.len() >= 1 << 16;
        let mut first = || fold_rows(rows.start..middle, row_at, out, start, fold);
        let mut second = || fold_rows(middle..rows.end, row_at, half, start, fold);
        // Either way the same halves, so the same bits.
        if large {
            rayon::join(first, second);
        } else {
            first();
            second();
        }
        out.iter_mut().zip(half).for_each(|(o, &mut h)| *o = fold(*o, h));
        return;
    }
    out.fill(start);
    T::vectorize(
        #[inline(always)]
        || {
            for r in rows {
                out.iter_mut().zip(row_at(r)).for_each(|(o, &x)| *o = fold(*o, x));
            }
        },
    );
}

/// The kernels of a reduction, all of one signature.
pub struct Kernels {
    /// From elements to the result.
    pub whole: Kernel,
    /// From elements to the folded parts of each output, in the type that is computed in.
    pub parts: Kernel,
    /// From parts to the result.
    pub end: Kernel,
}

/// Threads of a block, and about as many blocks as fill a large card.
const THREADS: usize = 256;
const BLOCKS: usize = 512;

/// Launches a reducing kernel over blocks of [`THREADS`], each of which folds a tile of outputs:
///
/// `kernel(x, out, outputs, elements an output, kept axes…, reduced axes…, lanes, along rows, chunk, total)`
///
/// `lanes` threads, a power of two, share an output, in a tree of fixed order. Their neighbours are the next ones of the
/// same output where the reduced axis is the innermost, or else of the next output, so that a warp reads whole lines.
/// Where this makes too few blocks, `blockIdx.y` counts chunks of the elements, and a second launch folds the chunks.
pub fn cuda(device: &CudaDevice, kernels: &Kernels, x: &Tensor, mask: &[bool; MAX_RANK], out: &Tensor) -> Result<()> {
    let (outputs, dtype) = (out.shape().size(), x.dtype());
    if outputs == 0 {
        return Ok(());
    }
    let (plan, count) = (Plan::new(&x.shape(), mask), x.shape().size() / outputs);
    let lanes = match plan.inner_reduced {
        true => count.next_power_of_two().min(THREADS),
        false => THREADS / plan.kept[plan.kept_rank.saturating_sub(1)].0.next_power_of_two().min(32),
    };
    let launch = |kernel: &Kernel, from: &Tensor, to: &Tensor, plan: &Plan, count, lanes: usize, chunk: usize| {
        let blocks = outputs.div_ceil(THREADS / lanes).min(i32::MAX as usize) as u32;
        let chunks = count_chunks(count, chunk) as u32;
        let mut args = SmallVec::<[Arg; 24]>::new();
        args.extend([Arg::input(from)?, Arg::output(to)?]);
        args.extend(plan.args(outputs, count));
        let rest = [lanes, usize::from(plan.inner_reduced), chunk, x.shape().size() / outputs];
        args.extend(rest.map(|n| Arg::I64(n as i64)));
        device.launch(kernel, dtype, Grid { blocks: [blocks, chunks, 1], threads: THREADS as u32, shared: 0 }, &args)
    };

    let tiles = outputs.div_ceil(THREADS / lanes);
    // Eight elements a thread are worth a block.
    let chunks = BLOCKS.div_ceil(tiles).min(count / (8 * lanes));
    if tiles >= BLOCKS / 2 || chunks <= 1 {
        return launch(&kernels.whole, x, out, &plan, count, lanes, count);
    }
    let chunk = count.div_ceil(chunks);
    let chunks = count_chunks(count, chunk);
    let shape = Shape::new(&[outputs, chunks])?;
    let parts = Tensor::empty(&x.device(), shape, if dtype == DType::F64 { DType::F64 } else { DType::F32 })?;
    launch(&kernels.parts, x, &parts, &plan, count, lanes, chunk)?;
    let mut rows = [false; MAX_RANK];
    rows[1] = true;
    let lanes = chunks.next_power_of_two().min(THREADS);
    launch(&kernels.end, &parts, out, &Plan::new(&shape, &rows), chunks, lanes, chunks)
}

fn count_chunks(count: usize, chunk: usize) -> usize {
    count.div_ceil(chunk.max(1)).max(1)
}
