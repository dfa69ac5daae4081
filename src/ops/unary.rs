//! What the element-wise functions of one tensor share.

use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;
use std::fmt::Debug;
use std::marker::PhantomData;

/// An element-wise function and its slope. [`Unary`] makes an op of it and [`UnaryGrad`] the op of its backward.
pub trait Function: Clone + Copy + Debug + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;
    /// The name of the op of its backward.
    const GRAD: &'static str;
    /// What the slope is computed from.
    const SLOPE_OF: SlopeOf;
    /// Arguments over which it is tested, away from kinks.
    const DOMAIN: std::ops::Range<f64> = -2.0..2.0;
    /// `out[i] = f(x[i])`.
    fn kernel() -> &'static Kernel;
    /// `dx[i] = dy[i] · f′(from[i])`.
    fn grad_kernel() -> &'static Kernel;
    /// f(x).
    fn value<T: Float>(x: T) -> T;
    /// f′, from x or from f(x).
    fn slope<T: Float>(from: T) -> T;
}

/// What a slope is computed from: whichever makes it cheapest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlopeOf {
    /// The argument.
    Input,
    /// The value.
    Output,
}

/// The op of a [`Function`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Unary<F>(PhantomData<F>);

/// The op of the backward of a [`Function`]: `dy · f′`.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnaryGrad<F>(PhantomData<F>);

impl<F: Function> Unary<F> {
    /// f of each element.
    pub fn of(x: &Tensor) -> Result<Tensor> {
        apply_one(Unary::<F>(PhantomData), &[x])
    }
}

impl<F: Function> UnaryGrad<F> {
    /// `dy · f′(from)`.
    pub fn of(from: &Tensor, dy: &Tensor) -> Result<Tensor> {
        apply_one(UnaryGrad::<F>(PhantomData), &[from, dy])
    }
}

/// Pieces smaller than this are not worth another thread.
const GRAIN: usize = 1 << 14;

impl<F: Function> Op for Unary<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x] => require_float(F::NAME, x.dtype).map(|()| Metas::from_elem(*x, 1)),
            _ => Err(Error::shape(F::NAME, format!("expected one tensor, got {}", inputs.len()))),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), F::NAME, T => {
            let x = inputs[0].data::<T>()?;
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, GRAIN, |start, out| {
                let x = &x[start..start + out.len()];
                T::vectorize(#[inline(always)] || out.iter_mut().zip(x).for_each(|(out, &x)| *out = F::value(x)));
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let args = [Arg::input(inputs[0])?, Arg::output(&outputs[0])?, Arg::I64(n as i64)];
        device.launch(F::kernel(), inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(match F::SLOPE_OF {
            SlopeOf::Input => Keeps::inputs(&[0]),
            SlopeOf::Output => Keeps::outputs(&[0]),
        })
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let from = match F::SLOPE_OF {
            SlopeOf::Input => node.input(0)?,
            SlopeOf::Output => node.output(0)?,
        };
        Ok(Gradients::from_iter([Some(UnaryGrad::<F>::of(from, node.grad()?)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize]| Case::new(Self(PhantomData), [Sample::within(shape, F::DOMAIN)]);
        vec![case(&[]), case(&[0]), case(&[33]), case(&[7, 131]), case(&[70_001])]
    }
}

impl<F: Function> Op for UnaryGrad<F> {
    fn name(&self) -> &'static str {
        F::GRAD
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [from, dy] if from == dy => require_float(F::GRAD, dy.dtype).map(|()| Metas::from_elem(*dy, 1)),
            _ => Err(Error::shape(
                F::GRAD,
                format!("expected two tensors of one shape and dtype, got {}", given(inputs)),
            )),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), F::GRAD, T => {
            let (from, dy) = (inputs[0].data::<T>()?, inputs[1].data::<T>()?);
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, GRAIN, |start, out| {
                let (from, dy) = (&from[start..start + out.len()], &dy[start..start + out.len()]);
                T::vectorize(#[inline(always)] || {
                    for ((out, &from), &dy) in out.iter_mut().zip(from).zip(dy) {
                        *out = (dy * F::slope(from)).flush();
                    }
                });
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let args = [Arg::input(inputs[0])?, Arg::input(inputs[1])?, Arg::output(&outputs[0])?, Arg::I64(n as i64)];
        device.launch(F::grad_kernel(), inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize| Case::new(Self(PhantomData), [Sample::within(n, F::DOMAIN), Sample::new(n)]);
        vec![case(0), case(1), case(1021)]
    }
}

/// Makes a [`Function`] and its two ops: names, kernels, slope.
macro_rules! unary {
    (
        $(#[$doc:meta])*
        $function:ident, $op:ident, $grad:ident, $name:literal, slope of $slope_of:ident, over $domain:expr;
        value($x:ident) $value:expr;
        slope($from:ident) $slope:expr;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $function;

        /// The op.
        pub type $op = $crate::ops::unary::Unary<$function>;
        /// The op of its backward.
        pub type $grad = $crate::ops::unary::UnaryGrad<$function>;

        impl $crate::ops::unary::Function for $function {
            const NAME: &'static str = $name;
            const GRAD: &'static str = concat!($name, "_grad");
            const SLOPE_OF: $crate::ops::unary::SlopeOf = $crate::ops::unary::SlopeOf::$slope_of;
            const DOMAIN: std::ops::Range<f64> = $domain;

            fn kernel() -> &'static $crate::device::cuda::Kernel {
                static KERNEL: $crate::device::cuda::Kernel =
                    $crate::device::cuda::Kernel::new("unary", concat!($name, "_fwd"), $crate::tensor::FLOATS);
                &KERNEL
            }

            fn grad_kernel() -> &'static $crate::device::cuda::Kernel {
                static KERNEL: $crate::device::cuda::Kernel =
                    $crate::device::cuda::Kernel::new("unary", concat!($name, "_bwd"), $crate::tensor::FLOATS);
                &KERNEL
            }

            #[inline(always)]
            fn value<T: $crate::device::cpu::Float>($x: T) -> T {
                $value
            }

            #[inline(always)]
            fn slope<T: $crate::device::cpu::Float>($from: T) -> T {
                $slope
            }
        }
    };
}
pub(crate) use unary;
