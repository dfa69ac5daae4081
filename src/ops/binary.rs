//! What the element-wise functions of two tensors share: broadcasting, forward and backward.

use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, require_one_dtype};
use crate::with_float;
use smallvec::SmallVec;
use std::fmt::Debug;
use std::marker::PhantomData;

/// An element-wise function of two floating-point tensors. [`Binary`] makes an op of it.
pub trait Function: Clone + Copy + Debug + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;
    /// What the gradients are computed from; `None` where none flows.
    const KEEPS: Option<Keeps>;
    /// Arguments over which it is tested.
    const DOMAIN: [std::ops::Range<f64>; 2];
    /// `out = f(a, b)` with broadcasting.
    fn kernel() -> &'static Kernel;
    /// f(a, b).
    fn value<T: Float>(a: T, b: T) -> T;
    /// The gradient of an argument, 0 or 1, in the shape of the output.
    fn gradient(node: &Backward, argument: usize) -> Result<Tensor>;
}

/// The op of a [`Function`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Binary<F>(PhantomData<F>);

impl<F: Function> Binary<F> {
    /// f of each pair of elements.
    pub fn of(a: &Tensor, b: &Tensor) -> Result<Tensor> {
        apply_one(Binary::<F>(PhantomData), &[a, b])
    }
}

impl<F: Function> Op for Binary<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let output = infer(F::NAME, inputs)?;
        require_float(F::NAME, output.dtype)?;
        Ok(Metas::from_elem(output, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), F::NAME, T => cpu_float::<T>(inputs, &mut outputs[0], #[inline(always)] |a, b| F::value(a, b)))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        cuda(device, F::kernel(), inputs[0].dtype(), inputs, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        F::KEEPS
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let gradient = |i| -> Result<Option<Tensor>> {
            let shape = node.input_meta(i).shape;
            if node.wants(i) { unbroadcast(F::gradient(node, i)?, &shape).map(Some) } else { Ok(None) }
        };
        Ok(Gradients::from_iter([gradient(0)?, gradient(1)?]))
    }

    fn cases() -> Vec<Case> {
        let case = |&(a, b): &(&[usize], &[usize])| {
            let [over_a, over_b] = F::DOMAIN;
            Case::new(Self(PhantomData), [Sample::within(a, over_a), Sample::within(b, over_b)])
        };
        CASES.iter().map(case).collect()
    }
}

/// Makes a [`Function`] and its op: name, kernel, the gradients of both arguments from `dy`.
macro_rules! binary {
    (
        $(#[$doc:meta])*
        $function:ident, $op:ident, $name:literal, over $a_domain:expr, $b_domain:expr;
        value($a:ident, $b:ident) $value:expr;
        $($gradient:tt)+
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $function;

        /// The op.
        pub type $op = $crate::ops::binary::Binary<$function>;

        impl $crate::ops::binary::Function for $function {
            const NAME: &'static str = $name;
            const DOMAIN: [std::ops::Range<f64>; 2] = [$a_domain, $b_domain];
            binary!(@gradient $($gradient)+);

            fn kernel() -> &'static $crate::device::cuda::Kernel {
                static KERNEL: $crate::device::cuda::Kernel =
                    $crate::device::cuda::Kernel::new("binary", concat!($name, "_fwd"), $crate::tensor::FLOATS);
                &KERNEL
            }

            #[inline(always)]
            fn value<T: $crate::device::cpu::Float>($a: T, $b: T) -> T {
                $value
            }
        }
    };
    (@gradient keeps $keeps:expr; gradients($node:ident, $dy:ident) $a_gradient:expr, $b_gradient:expr;) => {
        const KEEPS: Option<$crate::tensor::Keeps> = Some($keeps);

        fn gradient($node: &$crate::tensor::Backward, argument: usize) -> $crate::Result<$crate::Tensor> {
            let $dy = $node.grad()?;
            if argument == 0 { $a_gradient } else { $b_gradient }
        }
    };
    (@gradient no gradient;) => {
        const KEEPS: Option<$crate::tensor::Keeps> = None;

        fn gradient(_: &$crate::tensor::Backward, _: usize) -> $crate::Result<$crate::Tensor> {
            Err($crate::Error::Internal(format!("{} has no gradient", Self::NAME)))
        }
    };
}
pub(crate) use binary;

/// The output of an element-wise function of two tensors of one dtype that broadcast together.
pub fn infer(op: &'static str, inputs: &[Meta]) -> Result<Meta> {
    require_one_dtype(op, inputs)?;
    match inputs {
        [a, b] => Ok(Meta::new(a.shape.broadcast(&b.shape, op)?, a.dtype)),
        _ => Err(Error::shape(op, format!("expected two tensors, got {}", inputs.len()))),
    }
}

/// A broadcast of several arrays with neighbouring axes merged: few axes, the last one as long as it can be.
#[derive(Clone, Copy, Debug)]
pub struct Broadcast<const N: usize> {
    /// The extents of the merged axes.
    pub dims: [usize; MAX_RANK],
    /// Each array's strides along them, 0 where it is stretched.
    pub strides: [[usize; MAX_RANK]; N],
    /// How many axes there are, at least one.
    pub rank: usize,
}

impl<const N: usize> Broadcast<N> {
    /// How arrays of the shapes `from` are read as arrays of the shape `to`.
    pub fn new(from: [Shape; N], to: &Shape) -> Broadcast<N> {
        let from = from.map(|shape| shape.broadcast_strides(to));
        let mut merged = Broadcast { dims: [1; MAX_RANK], strides: [[0; MAX_RANK]; N], rank: 0 };
        for i in (0..to.rank()).filter(|&i| to[i] != 1) {
            let last = merged.rank.wrapping_sub(1);
            // Two axes are one where each array steps over both as over one.
            let at = if merged.rank > 0 && (0..N).all(|k| merged.strides[k][last] == from[k][i] * to[i]) {
                merged.dims[last] *= to[i];
                last
            } else {
                merged.dims[merged.rank] = to[i];
                merged.rank += 1;
                merged.rank - 1
            };
            (0..N).for_each(|k| merged.strides[k][at] = from[k][i]);
        }
        merged.rank = merged.rank.max(1);
        merged
    }

    /// Where a row, which is the last axis, starts in each array.
    pub fn offsets(&self, row: usize) -> [usize; N] {
        let (mut row, mut offsets) = (row, [0; N]);
        for i in (0..self.rank - 1).rev() {
            let at = row % self.dims[i];
            row /= self.dims[i];
            (0..N).for_each(|k| offsets[k] += at * self.strides[k][i]);
        }
        offsets
    }

    /// The extent of the last axis, and each array's stride along it: 0 or 1.
    pub fn row(&self) -> (usize, [usize; N]) {
        (self.dims[self.rank - 1], self.strides.map(|s| s[self.rank - 1]))
    }

    /// The arguments of a broadcasting kernel after its pointers: n, rank, extents, then each array's strides; eight of
    /// each.
    pub fn args(&self, n: usize) -> impl Iterator<Item = Arg> {
        let head = [n, self.rank];
        let Broadcast { dims, strides, .. } = *self;
        head.into_iter().chain(dims).chain(strides.into_iter().flatten()).map(|x| Arg::I64(x as i64))
    }
}

/// What [`cpu`] does with pieces of two arrays and of its output.
type Work<'a, A, O> = &'a (dyn Fn(&[A], &[A], &mut [O]) + Sync);

/// `out = f(a, b)` on the CPU, with broadcasting: `work` gets pieces of both, which are as long as its output or one element
/// that stands for all. It calls [`zip`].
pub fn cpu<A: Sync, O: Send>(a: (&[A], Shape), b: (&[A], Shape), out: (&mut [O], Shape), work: Work<A, O>) {
    let ((a, a_shape), (b, b_shape), (out, shape)) = (a, b, out);
    if out.is_empty() {
        return;
    }
    let plan = Broadcast::new([a_shape, b_shape], &shape);
    let (row, strides) = plan.row();
    if plan.rank == 1 && strides == [1, 1] {
        threads::split_rows(out, 1, 1 << 15, |start, out| {
            let part = start..start + out.len();
            work(&a[part.clone()], &b[part], out);
        });
        return;
    }
    let piece = |from: usize, stride: usize| from..from + if stride == 0 { 1 } else { row };
    threads::split_rows(out, row, (1usize << 14).div_ceil(row), |first, out| {
        for (i, out) in out.chunks_mut(row).enumerate() {
            let [x, y] = plan.offsets(first + i);
            work(&a[piece(x, strides[0])], &b[piece(y, strides[1])], out);
        }
    });
}

/// `out = f(a, b)` for pieces that are as long as `out` or one element that stands for all.
#[inline(always)]
pub fn zip<A: Copy, O>(a: &[A], b: &[A], out: &mut [O], f: impl Fn(A, A) -> O) {
    match (a, b) {
        (&[a], &[b]) => out.fill_with(|| f(a, b)),
        (&[a], b) => out.iter_mut().zip(b).for_each(|(o, &b)| *o = f(a, b)),
        (a, &[b]) => out.iter_mut().zip(a).for_each(|(o, &a)| *o = f(a, b)),
        (a, b) => out.iter_mut().zip(a).zip(b).for_each(|((o, &a), &b)| *o = f(a, b)),
    }
}

/// [`cpu`] for a floating-point function of two tensors.
pub fn cpu_float<T: Float>(inputs: &[&Tensor], output: &mut Tensor, f: impl Fn(T, T) -> T + Sync + Copy) -> Result<()> {
    let shape = output.shape();
    cpu(
        (inputs[0].data::<T>()?, inputs[0].shape()),
        (inputs[1].data::<T>()?, inputs[1].shape()),
        (output.data_mut::<T>()?, shape),
        &|a, b, out| {
            T::vectorize(
                #[inline(always)]
                || zip(a, b, out, f),
            );
        },
    );
    Ok(())
}

/// Launches a broadcasting kernel: `kernel(a, b, out, n, rank, extents…, strides of a…, strides of b…)`.
pub fn cuda(device: &CudaDevice, kernel: &Kernel, dtype: DType, inputs: &[&Tensor], output: &Tensor) -> Result<()> {
    let n = output.shape().size();
    let plan = Broadcast::new([inputs[0].shape(), inputs[1].shape()], &output.shape());
    let mut args = SmallVec::<[Arg; 32]>::new();
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
    let axes: SmallVec<[isize; MAX_RANK]> =
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
    (&[66_000, 2], &[66_000, 1]),
];
