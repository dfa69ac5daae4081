//! What softmax and the cross-entropies share: exponentials and sums along rows, and how rows are given to threads.

use super::copy::Along;
use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Meta, Tensor, apply_one, given};

/// As many rows as are worked on together, at most, while their elements are in the nearest cache.
const GROUP: usize = 64;
const GROUP_ELEMENTS: usize = 2048;

/// How many rows of `count` elements make a group.
pub fn group(count: usize) -> usize {
    (GROUP_ELEMENTS / count.max(1)).clamp(1, GROUP)
}

/// How many rows of `count` elements are worth a thread.
pub fn grain(count: usize) -> usize {
    (1usize << 13).div_ceil(count.max(1))
}

/// Folds a row in 16 lanes, which is fast and, for sums, loses less than one running sum.
#[inline(always)]
fn fold<T: Float>(start: T, row: &[T], lane: impl Fn(T, T) -> T) -> T {
    let (whole, rest) = row.as_chunks::<16>();
    let mut all = start;
    if let Some((first, whole)) = whole.split_first() {
        let mut lanes = *first;
        for chunk in whole {
            lanes.iter_mut().zip(chunk).for_each(|(l, &x)| *l = lane(*l, x));
        }
        all = lanes.into_iter().fold(all, &lane);
    }
    rest.iter().fold(all, |all, &x| lane(all, x))
}

/// The largest element that is not NaN, −∞ if there is none.
#[inline(always)]
pub fn largest<T: Float>(row: &[T]) -> T {
    fold(T::NEG_INFINITY, row, |a, b| if b > a { b } else { a })
}

/// The sum.
#[inline(always)]
pub fn sum<T: Float>(row: &[T]) -> T {
    fold(T::ZERO, row, |a, b| a + b)
}

/// Σ term(a, b) over two rows.
#[inline(always)]
pub fn total<T: Float>(a: &[T], b: &[T], term: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (&a, &b))| *lane += term(a, b));
    }
    let rest = a_rest.iter().zip(b_rest).fold(T::ZERO, |sum, (&a, &b)| sum + term(a, b));
    lanes.into_iter().fold(rest, |a, b| a + b)
}

/// `out = e^(x − the row's largest)` for rows of `count` elements; `shift` gets the largest of each.
///
/// The exponentials are taken over all rows at once, so that short rows fill the vectors too.
#[inline(always)]
pub fn exponentials<T: Float>(x: &[T], count: usize, out: &mut [T], shift: &mut [T]) {
    for ((x, out), shift) in x.chunks_exact(count).zip(out.chunks_exact_mut(count)).zip(shift) {
        let top = largest(x);
        *shift = top;
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = x - top);
    }
    out.iter_mut().for_each(|x| *x = x.exp());
}

/// `out = ln Σ e^x` of each row of `count` elements.
#[inline(always)]
pub fn log_sum_exp<T: Float>(x: &[T], count: usize, out: &mut [T]) {
    let mut buffer = [T::ZERO; GROUP_ELEMENTS];
    if count > GROUP_ELEMENTS {
        for (x, out) in x.chunks_exact(count).zip(out) {
            let (top, mut total) = (largest(x), T::ZERO);
            for x in x.chunks(GROUP_ELEMENTS) {
                let buffer = &mut buffer[..x.len()];
                buffer.iter_mut().zip(x).for_each(|(e, &x)| *e = (x - top).exp());
                total += sum(buffer);
            }
            *out = top + total.ln();
        }
        return;
    }
    for (x, out) in x.chunks(group(count) * count).zip(out.chunks_mut(group(count))) {
        let buffer = &mut buffer[..x.len()];
        exponentials(x, count, buffer, out);
        for (out, row) in out.iter_mut().zip(buffer.chunks_exact(count)) {
            *out += sum(row).ln();
        }
    }
}

/// Calls `work(x, y, out)` for groups of rows of `count` elements, over the threads and inside [`Float::vectorize`].
fn over_groups<T: Float>(x: &[T], y: &[T], out: &mut [T], count: usize, work: impl Fn(&[T], &[T], &mut [T]) + Sync) {
    threads::split_rows(out, count, grain(count), |first, out| {
        let part = first * count..first * count + out.len();
        let (x, y) = (&x[part.clone()], &y[part]);
        let size = group(count) * count;
        T::vectorize(
            #[inline(always)]
            || {
                for ((x, y), out) in x.chunks(size).zip(y.chunks(size)).zip(out.chunks_mut(size)) {
                    work(x, y, out);
                }
            },
        );
    });
}

/// The largest elements of a group of rows.
pub fn shifts<T: Float>() -> [T; GROUP] {
    [T::NEG_INFINITY; GROUP]
}

/// The output of a function of one or two arrays of one shape and dtype along `axis`.
pub fn infer(op: &'static str, inputs: &[Meta], arity: usize, axis: isize) -> Result<Meta> {
    let Some(first) = inputs.first().filter(|first| inputs.len() == arity && inputs.iter().all(|x| x == *first)) else {
        return Err(Error::shape(op, format!("expected {arity} of one shape and dtype, got {}", given(inputs))));
    };
    require_float(op, first.dtype)?;
    first.shape.axis(axis, op)?;
    Ok(*first)
}

/// Runs `work(x, y, out)` on the CPU for groups of rows, of which `axis` makes the elements; `y` is the last input.
///
/// Where other axes follow `axis`, it is brought to the end and back, which costs less than reading with strides.
pub fn cpu<T: Float>(
    inputs: &[&Tensor],
    output: &mut Tensor,
    axis: usize,
    work: impl Fn(&[T], &[T], &mut [T]) + Sync,
) -> Result<()> {
    let shape = inputs[0].shape();
    let (x, y) = (inputs[0], inputs[inputs.len() - 1]);
    let Along { outer, count, inner } = Along::new(&shape, axis);
    if inner <= 1 {
        over_groups(x.data()?, y.data()?, output.data_mut()?, count, work);
        return Ok(());
    }
    let swapped = |t: &Tensor, a: usize, b: usize| -> Result<Tensor> {
        apply_one(super::transpose::Transpose::swap(), &[&t.detach().with_shape(Shape::new(&[outer, a, b])?)])
    };
    let x = swapped(x, count, inner)?;
    let y = if inputs.len() > 1 { swapped(y, count, inner)? } else { x.clone() };
    let mut rows = Tensor::empty(&x.device(), x.shape(), x.dtype())?;
    over_groups(x.data()?, y.data()?, rows.data_mut()?, count, work);
    *output = swapped(&rows, inner, count)?.with_shape(shape);
    Ok(())
}

/// Who shares a row on a CUDA card, as `include/team.cuh` numbers them.
#[derive(Clone, Copy, Debug)]
enum Team {
    Thread = 0,
    Warp = 1,
    Block = 2,
}

/// Threads of a block of every kernel over rows.
const THREADS: usize = 256;

/// The grid for `rows` rows of `count` elements, `inner` apart, and the argument that tells the kernel who shares a row:
/// one thread where neighbouring rows are neighbours in memory, a warp for short rows, a block for long ones.
pub fn team(rows: usize, count: usize, inner: usize) -> (Grid, Arg) {
    let (team, blocks) = match (inner, count) {
        (2.., _) => (Team::Thread, rows.div_ceil(THREADS)),
        (_, ..=1024) => (Team::Warp, rows.div_ceil(THREADS / 32)),
        _ => (Team::Block, rows),
    };
    (Grid::rows(blocks, THREADS as u32), Arg::I32(team as i32))
}

/// Launches `kernel(out, inputs…, rows, count, inner, team)` along an axis.
pub fn cuda(
    device: &CudaDevice,
    kernel: &Kernel,
    dtype: DType,
    inputs: &[&Tensor],
    output: &Tensor,
    axis: usize,
) -> Result<()> {
    let Along { outer, count, inner } = Along::new(&inputs[0].shape(), axis);
    let (grid, team) = team(outer * inner, count, inner);
    let mut args = smallvec::SmallVec::<[Arg; 8]>::new();
    args.push(Arg::output(output)?);
    for input in inputs {
        args.push(Arg::input(*input)?);
    }
    args.extend([outer * inner, count, inner].map(|x| Arg::I64(x as i64)));
    args.push(team);
    device.launch(kernel, dtype, grid, &args)
}

/// Shapes and axes that every op along an axis is tested on.
pub const CASES: &[(&[usize], isize)] = &[
    (&[1], 0),
    (&[0, 5], 1),
    (&[5, 0], 1),
    (&[33, 10], -1),
    (&[7, 1], 1),
    (&[13, 1031], 1),
    (&[3, 4099], -1),
    (&[3, 5, 7], 1),
    (&[31, 129], 0),
    (&[66_000, 3], 1),
    (&[3, 66_000], 0),
];
