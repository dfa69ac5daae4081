//! What the reductions over axes share: which axes fall away, the op, and its gradient.

use super::fold::{self, Kernels};
use crate::device::cpu::Float;
use crate::device::cpu::convert::require_float;
use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;
use smallvec::SmallVec;
use std::fmt::Debug;
use std::marker::PhantomData;

/// A reduction of floating-point tensors over axes. [`Reduce`] makes an op of it.
pub trait Reduction: Clone + Copy + Debug + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;
    /// What the backward reads.
    const KEEPS: Keeps;
    /// What the folding starts from. Where it is infinite, nothing can be folded from no elements.
    const START: f64;
    /// Its kernels.
    fn kernels() -> &'static Kernels;
    /// The folding: associative, but for rounding.
    fn fold<T: Float>(a: T, b: T) -> T;
    /// What the folding of `count` elements comes to.
    fn finish<T: Float>(folded: T, count: usize) -> T;
    /// The gradient of the input.
    fn gradient(axes: &Axes, node: &Backward) -> Result<Tensor>;
}

/// The op of a [`Reduction`].
#[derive(Clone, Debug)]
pub struct Reduce<R>(Axes, PhantomData<R>);

impl<R: Reduction> Reduce<R> {
    /// The reduction of `x` over `axes`, over all of them if none is named.
    pub fn of(x: &Tensor, axes: &[isize], keepdims: bool) -> Result<Tensor> {
        apply_one(Reduce::<R>(Axes::new(axes, keepdims), PhantomData), &[x])
    }
}

impl<R: Reduction> Op for Reduce<R> {
    fn name(&self) -> &'static str {
        R::NAME
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let output = self.0.infer(R::NAME, inputs)?;
        let shape = inputs[0].shape;
        if R::START.is_infinite() && output.shape.size() > 0 && shape.size() == 0 {
            return Err(Error::shape(R::NAME, format!("the shape {shape} leaves no elements to choose from")));
        }
        Ok(Metas::from_elem(output, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, mask) = (inputs[0], self.0.mask(&inputs[0].shape(), R::NAME)?);
        let count = self.0.count(&x.shape(), R::NAME)?;
        with_float!(x.dtype(), R::NAME, T => {
            let out = outputs[0].data_mut::<T>()?;
            let finish = |folded| R::finish(folded, count);
            fold::cpu(x.data()?, &x.shape(), &mask, out, R::START as T, #[inline(always)] |a, b| R::fold::<T>(a, b), finish);
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let mask = self.0.mask(&inputs[0].shape(), R::NAME)?;
        fold::cuda(device, R::kernels(), inputs[0], &mask, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(R::KEEPS)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        Ok(Gradients::from_iter([Some(R::gradient(&self.0, node)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |&(x, axes, keep): &(&[usize], &[isize], bool)| {
            Case::new(Self(Axes::new(axes, keep), PhantomData), [Sample::new(x)])
        };
        CASES.iter().map(case).collect()
    }
}

/// Makes a [`Reduction`] and its op.
macro_rules! reduction {
    (
        $(#[$doc:meta])*
        $function:ident, $op:ident, $name:literal, from $start:expr, keeps $keeps:expr;
        fold($a:ident, $b:ident) $fold:expr;
        finish($folded:ident, $count:ident) $finish:expr;
        gradient($axes:ident, $node:ident) $gradient:expr;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $function;

        /// The op.
        pub type $op = $crate::ops::reduce::Reduce<$function>;

        impl $crate::ops::reduce::Reduction for $function {
            const NAME: &'static str = $name;
            const KEEPS: $crate::tensor::Keeps = $keeps;
            const START: f64 = $start;

            fn kernels() -> &'static $crate::ops::fold::Kernels {
                use $crate::{device::cuda::Kernel, ops::fold::Kernels, tensor::FLOATS};
                static KERNELS: Kernels = Kernels {
                    whole: Kernel::new("reduce", concat!($name, "_fwd"), FLOATS),
                    parts: Kernel::new("reduce", concat!($name, "_parts"), FLOATS),
                    end: Kernel::new("reduce", concat!($name, "_end"), FLOATS),
                };
                &KERNELS
            }

            #[inline(always)]
            fn fold<T: $crate::device::cpu::Float>($a: T, $b: T) -> T {
                $fold
            }

            #[inline(always)]
            fn finish<T: $crate::device::cpu::Float>($folded: T, $count: usize) -> T {
                $finish
            }

            fn gradient(
                $axes: &$crate::ops::reduce::Axes,
                $node: &$crate::tensor::Backward,
            ) -> $crate::Result<$crate::Tensor> {
                $gradient
            }
        }
    };
}
pub(crate) use reduction;

/// The axes that a reduction takes, as the user named them; none stands for all (NumPy would reduce over none).
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
        require_float(op, x.dtype)?;
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

/// The gradient of the largest or smallest element: split evenly among the elements that are equal to it.
pub fn extreme_gradient(op: &'static str, axes: &Axes, node: &Backward) -> Result<Tensor> {
    let (x, y, dy) = (node.input(0)?, node.output(0)?, node.grad()?);
    let (shape, dtype) = (x.shape(), dy.dtype());
    let kept = axes.kept(&shape, op)?;
    let gone = axes.mask(&shape, op)?;
    let gone: SmallVec<[isize; MAX_RANK]> = (0..shape.rank()).filter(|&i| gone[i]).map(|i| i as isize).collect();
    // A half cannot count far.
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let equal = x.equal(&y.reshape(kept)?)?.cast(wide)?;
    let share = dy.reshape(kept)?.cast(wide)?.div(&equal.sum(&gone, true)?)?;
    equal.mul(&share)?.cast(dtype)
}

/// Shapes and axes that every reduction is tested on.
pub const CASES: &[(&[usize], &[isize], bool)] = &[
    (&[], &[], false),
    (&[33], &[], false),
    (&[3, 0], &[0], true),
    (&[5, 7], &[0], false),
    (&[5, 7], &[-1], true),
    (&[3, 4, 5], &[1], false),
    (&[3, 4, 5, 2], &[0, 2], true),
    (&[2, 3, 4, 5], &[1, 3], false),
    (&[2, 3, 2, 3, 2, 3, 2, 3], &[0, 2, 4, 6], false),
    (&[2, 3, 2, 3, 2, 3, 2, 3], &[1, 3, 5, 7], true),
    (&[70_001], &[0], false),
    (&[257, 1031], &[0], false),
    (&[66_000, 2], &[1], false),
];
