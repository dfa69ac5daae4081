//! What the element-wise functions of two tensors share: broadcasting, forward and backward.

use crate::device::cpu::{Float, threads, vectorize};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Meta, Tensor};

/// The output of an element-wise function of two tensors of one dtype that broadcast together.
pub fn infer(op: &'static str, inputs: &[Meta]) -> Result<Meta> {
    match inputs {
        [a, b] if a.dtype == b.dtype => Ok(Meta::new(a.shape.broadcast(&b.shape, op)?, a.dtype)),
        [a, b] => {
            Err(Error::dtype(op, format!("the dtypes {} and {} differ; cast one of them first", a.dtype, b.dtype)))
        }
        _ => Err(Error::shape(op, format!("expected two tensors, got {}", inputs.len()))),
    }
}

/// A broadcast of two arrays with neighbouring axes merged: few axes, the last one as long as it can be.
#[derive(Clone, Copy, Debug)]
pub struct Broadcast {
    /// The extents of the merged axes.
    pub dims: [usize; MAX_RANK],
    /// Strides of the first array along them, 0 where it is stretched.
    pub a: [usize; MAX_RANK],
    /// Strides of the second.
    pub b: [usize; MAX_RANK],
    /// How many axes there are, at least one.
    pub rank: usize,
}

impl Broadcast {
    /// How arrays of the shapes `a` and `b` are read as one of the shape `to`.
    pub fn new(a: &Shape, b: &Shape, to: &Shape) -> Broadcast {
        let (from_a, from_b) = (a.broadcast_strides(to), b.broadcast_strides(to));
        let mut merged = Broadcast { dims: [1; MAX_RANK], a: [0; MAX_RANK], b: [0; MAX_RANK], rank: 0 };
        for i in (0..to.rank()).filter(|&i| to[i] != 1) {
            let last = merged.rank.wrapping_sub(1);
            // Two axes are one where each array steps over both as over one.
            if merged.rank > 0 && merged.a[last] == from_a[i] * to[i] && merged.b[last] == from_b[i] * to[i] {
                merged.dims[last] *= to[i];
                (merged.a[last], merged.b[last]) = (from_a[i], from_b[i]);
            } else {
                (merged.dims[merged.rank], merged.a[merged.rank], merged.b[merged.rank]) =
                    (to[i], from_a[i], from_b[i]);
                merged.rank += 1;
            }
        }
        merged.rank = merged.rank.max(1);
        merged
    }

    fn offsets(&self, row: usize) -> (usize, usize) {
        let (mut row, mut a, mut b) = (row, 0, 0);
        for i in (0..self.rank - 1).rev() {
            let at = row % self.dims[i];
            row /= self.dims[i];
            a += at * self.a[i];
            b += at * self.b[i];
        }
        (a, b)
    }

    /// The arguments of a broadcasting kernel after its pointers: n, rank, extents, strides of a, strides of b. Eight of
    /// each of the arrays, by value.
    pub fn args(&self, n: usize) -> [Arg; 2 + 3 * MAX_RANK] {
        let mut args = [Arg::I64(0); 2 + 3 * MAX_RANK];
        args[0] = Arg::I64(n as i64);
        args[1] = Arg::I64(self.rank as i64);
        for i in 0..MAX_RANK {
            args[2 + i] = Arg::I64(self.dims[i] as i64);
            args[2 + MAX_RANK + i] = Arg::I64(self.a[i] as i64);
            args[2 + 2 * MAX_RANK + i] = Arg::I64(self.b[i] as i64);
        }
        args
    }
}

/// `out = f(a, b)` on the CPU, with broadcasting.
pub fn cpu<A: Copy + Sync, O: Send>(
    a: (&[A], &Shape),
    b: (&[A], &Shape),
    out: (&mut [O], &Shape),
    f: impl Fn(A, A) -> O + Sync + Copy,
) {
    let ((a, a_shape), (b, b_shape), (out, shape)) = (a, b, out);
    if out.is_empty() {
        return;
    }
    let plan = Broadcast::new(a_shape, b_shape, shape);
    let last = plan.rank - 1;
    let row = plan.dims[last];
    let run = |first: usize, out: &mut [O]| {
        for (i, out) in out.chunks_mut(row).enumerate() {
            let (x, y) = plan.offsets(first + i);
            vectorize(|| match (plan.a[last], plan.b[last]) {
                (0, 0) => out.fill_with(|| f(a[x], b[y])),
                (0, _) => out.iter_mut().zip(&b[y..y + row]).for_each(|(o, &b)| *o = f(a[x], b)),
                (_, 0) => out.iter_mut().zip(&a[x..x + row]).for_each(|(o, &a)| *o = f(a, b[y])),
                _ => out.iter_mut().zip(&a[x..x + row]).zip(&b[y..y + row]).for_each(|((o, &a), &b)| *o = f(a, b)),
            });
        }
    };
    if plan.rank == 1 && plan.a[0] == 1 && plan.b[0] == 1 {
        threads::split_rows(out, 1, 1 << 15, |start, out| {
            let (a, b) = (&a[start..start + out.len()], &b[start..start + out.len()]);
            vectorize(|| out.iter_mut().zip(a).zip(b).for_each(|((o, &a), &b)| *o = f(a, b)));
        });
    } else {
        threads::split_rows(out, row, (1usize << 14).div_ceil(row), run);
    }
}

/// [`cpu`] for a floating-point function of two tensors.
pub fn cpu_float<T: Float>(inputs: &[&Tensor], output: &mut Tensor, f: impl Fn(T, T) -> T + Sync + Copy) -> Result<()> {
    let shape = output.shape();
    cpu(
        (inputs[0].data::<T>()?, &inputs[0].shape()),
        (inputs[1].data::<T>()?, &inputs[1].shape()),
        (output.data_mut::<T>()?, &shape),
        f,
    );
    Ok(())
}

/// Launches a broadcasting kernel: `kernel(a, b, out, n, rank, extents…, strides of a…, strides of b…)`.
pub fn cuda(device: &CudaDevice, kernel: &Kernel, dtype: DType, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    let n = output.shape().size();
    let plan = Broadcast::new(&inputs[0].shape(), &inputs[1].shape(), &output.shape());
    let mut args = smallvec::SmallVec::<[Arg; 32]>::new();
    args.extend([Arg::input(inputs[0])?, Arg::input(inputs[1])?, Arg::output(output)?]);
    args.extend(plan.args(n));
    device.launch(kernel, dtype, Grid::elements(n), &args)
}

/// The gradient of an input that was stretched: `gradient` summed over what the broadcast repeated.
pub fn unbroadcast(gradient: Tensor, to: &Shape) -> Result<Tensor> {
    if gradient.shape() == *to {
        return Ok(gradient);
    }
    let from = gradient.shape();
    let lead = from.rank() - to.rank();
    let axes: smallvec::SmallVec<[isize; MAX_RANK]> =
        (0..from.rank()).filter(|&i| i < lead || (to[i - lead] == 1 && from[i] != 1)).map(|i| i as isize).collect();
    gradient.sum(&axes, false)?.reshape(to)
}

/// Pairs of shapes that every element-wise function of two tensors is tested on.
pub const CASES: &[(&[usize], &[usize])] = &[
    (&[], &[]),
    (&[33], &[33]),
    (&[0], &[1]),
    (&[5, 7], &[7]),
    (&[5, 7], &[5, 1]),
    (&[1, 7], &[5, 1]),
    (&[3, 1, 5], &[4, 1]),
    (&[2, 3, 1, 5], &[1, 4, 1]),
    (&[7, 9973], &[9973]),
];
