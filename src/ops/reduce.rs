//! What the reductions over axes share: which axes fall away, and how memory is walked.

use crate::device::cpu::{Float, threads, vectorize};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Meta, Tensor};
use smallvec::SmallVec;

/// The axes that a reduction takes, as the user named them; none stands for all, as in NumPy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axes {
    axes: SmallVec<[isize; MAX_RANK]>,
    keepdims: bool,
}

impl Axes {
    /// These axes; with `keepdims` they stay as axes of extent 1.
    pub fn new(axes: &[isize], keepdims: bool) -> Axes {
        Axes { axes: SmallVec::from_slice(axes), keepdims }
    }

    /// Which of the axes of `shape` fall away.
    pub fn mask(&self, shape: &Shape, op: &'static str) -> Result<[bool; MAX_RANK]> {
        let mut mask = [self.axes.is_empty(); MAX_RANK];
        for &axis in &self.axes {
            let axis = shape.axis(axis, op)?;
            if std::mem::replace(&mut mask[axis], true) {
                return Err(Error::shape(op, format!("axis {axis} is named twice")));
            }
        }
        Ok(mask)
    }

    /// The shape with the reduced axes at extent 1.
    pub fn kept(&self, shape: &Shape, op: &'static str) -> Result<Shape> {
        let mask = self.mask(shape, op)?;
        let dims: SmallVec<[usize; MAX_RANK]> =
            shape.iter().zip(mask).map(|(&d, gone)| if gone { 1 } else { d }).collect();
        Shape::new(&dims)
    }

    /// The shape and dtype of the reduction of `inputs`.
    pub fn infer(&self, op: &'static str, inputs: &[Meta]) -> Result<Meta> {
        let [x] = inputs else {
            return Err(Error::shape(op, format!("expected one tensor, got {}", inputs.len())));
        };
        let kept = self.kept(&x.shape, op)?;
        if self.keepdims {
            return Ok(Meta::new(kept, x.dtype));
        }
        let mask = self.mask(&x.shape, op)?;
        let dims: SmallVec<[usize; MAX_RANK]> =
            x.shape.iter().zip(mask).filter(|(_, gone)| !gone).map(|(&d, _)| d).collect();
        Ok(Meta::new(Shape::new(&dims)?, x.dtype))
    }

    /// How many elements of `shape` make one of the output.
    pub fn count(&self, shape: &Shape, op: &'static str) -> Result<usize> {
        let mask = self.mask(shape, op)?;
        Ok(shape.iter().zip(mask).filter(|(_, gone)| *gone).map(|(&d, _)| d).product())
    }
}

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
        threads::split(pieces, (1usize << 14).div_ceil(count * chunk), |range| {
            for piece in range {
                let (o, c) = (piece / chunks, piece % chunks);
                let columns = c * chunk..((c + 1) * chunk).min(row);
                let base = Plan::offset(outer, o) + columns.start;
                // SAFETY: each piece is a part of its own of one output row.
                let out = unsafe { parts.slice(o * row + columns.start..o * row + columns.end) };
                out.fill(start);
                vectorize(|| {
                    for r in 0..count {
                        let at = base + Plan::offset(reduced, r);
                        out.iter_mut().zip(&x[at..at + columns.len()]).for_each(|(o, &x)| *o = fold(*o, x));
                    }
                    out.iter_mut().for_each(|o| *o = finish(*o));
                });
            }
        });
    }
}

/// Folds a row in 32 lanes, which is fast and loses less than one running sum.
fn fold_row<T: Float>(x: &[T], start: T, fold: impl Fn(T, T) -> T + Copy) -> T {
    vectorize(|| {
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
    })
}

/// Launches a reducing kernel: `kernel(x, out, outputs, count, kept…, strides…, reduced…, strides…)`, a block an output.
pub fn cuda(
    device: &CudaDevice,
    kernel: &Kernel,
    dtype: DType,
    x: &Tensor,
    mask: &[bool; MAX_RANK],
    out: &Tensor,
) -> Result<()> {
    let outputs = out.shape().size();
    let count = if outputs == 0 { 0 } else { x.shape().size() / outputs };
    let mut args = SmallVec::<[Arg; 24]>::new();
    args.extend([Arg::input(x)?, Arg::output(out)?]);
    args.extend(Plan::new(&x.shape(), mask).args(outputs, count));
    device.launch(kernel, dtype, Grid::rows(outputs, 256), &args)
}

/// Shapes and axes that every reduction is tested on.
pub const CASES: &[(&[usize], &[isize], bool)] = &[
    (&[], &[], false),
    (&[33], &[], false),
    (&[5, 7], &[0], false),
    (&[5, 7], &[-1], true),
    (&[3, 4, 5], &[1], false),
    (&[3, 4, 5, 2], &[0, 2], true),
    (&[2, 3, 4, 5], &[1, 3], false),
    (&[70_001], &[0], false),
    (&[257, 1031], &[0], false),
    (&[66_000, 2], &[1], false),
];
