//! Sparsemax.

use super::rows;
use crate::device::cpu::Float;
use crate::device::cuda::{CudaDevice, Kernel};
use crate::error::Result;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;

/// y = max(x − τ, 0) along an axis, with the τ for which Σ y = 1.
#[derive(Clone, Copy, Debug)]
pub struct Sparsemax {
    axis: isize,
}

/// The backward of [`Sparsemax`]: dx = dy less its mean over the elements where y > 0, and 0 at the others.
#[derive(Clone, Copy, Debug)]
pub struct SparsemaxGrad {
    axis: isize,
}

static FORWARD: Kernel = Kernel::new("softmax", "sparsemax_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("softmax", "sparsemax_bwd", FLOATS);

impl Tensor {
    /// The point of the simplex that is nearest to x along `axis`: max(x − τ, 0), with the τ for which the sum is 1
    /// ([Keras](https://keras.io/api/layers/activations/#sparsemax-function), [paper](https://arxiv.org/abs/1602.02068)).
    ///
    /// Keras 3.15 adds up all partial sums where the last one is meant, and so gives other values, which do not sum to 1,
    /// wherever more than one element is kept; this is the paper's function.
    ///
    /// τ is found without sorting, by Michelot's rule (*A finite algorithm for finding the projection of a point onto the
    /// canonical simplex of Rⁿ*, 1986): from the elements less than 1 below the largest, τ is what makes their sum 1, and
    /// those that are not above it fall away, until none does. An element of −∞ gives 0. Where all are −∞, one is +∞ or
    /// one is NaN, there is no answer, and all become NaN.
    ///
    /// # Errors
    /// An axis that the tensor does not have, a dtype that is no float.
    pub fn sparsemax(&self, axis: isize) -> Result<Tensor> {
        apply_one(Sparsemax { axis }, &[self])
    }
}

impl Op for Sparsemax {
    fn name(&self) -> &'static str {
        "sparsemax"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(rows::infer("sparsemax", inputs, 1, self.axis)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        let axis = shape.axis(self.axis, "sparsemax")?;
        with_float!(inputs[0].dtype(), "sparsemax", T => {
            rows::cpu::<T>(inputs, &mut outputs[0], axis, #[inline(always)] |x, _, out| forward(x, out, shape[axis]))
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let axis = inputs[0].shape().axis(self.axis, "sparsemax")?;
        rows::cuda(device, &FORWARD, inputs[0].dtype(), inputs, &outputs[0], axis)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::outputs(&[0]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let gradient = apply_one(SparsemaxGrad { axis: self.axis }, &[node.output(0)?, node.grad()?])?;
        Ok(Gradients::from_iter([Some(gradient)]))
    }

    fn cases() -> Vec<Case> {
        rows::CASES.iter().map(|&(shape, axis)| Case::new(Sparsemax { axis }, [Sample::new(shape)])).collect()
    }
}

impl Op for SparsemaxGrad {
    fn name(&self) -> &'static str {
        "sparsemax_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(rows::infer("sparsemax_grad", inputs, 2, self.axis)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        let axis = shape.axis(self.axis, "sparsemax_grad")?;
        with_float!(inputs[0].dtype(), "sparsemax_grad", T => {
            rows::cpu::<T>(inputs, &mut outputs[0], axis, #[inline(always)] |y, dy, out| backward(y, dy, out, shape[axis]))
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let axis = inputs[0].shape().axis(self.axis, "sparsemax_grad")?;
        rows::cuda(device, &BACKWARD, inputs[0].dtype(), inputs, &outputs[0], axis)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |&(shape, axis): &(&[usize], isize)| {
            Case::new(SparsemaxGrad { axis }, [Sample::within(shape, 0.0..1.0), Sample::new(shape)])
        };
        rows::CASES.iter().map(case).collect()
    }
}

#[inline(always)]
fn forward<T: Float>(x: &[T], out: &mut [T], count: usize) {
    for (x, out) in x.chunks_exact(count).zip(out.chunks_exact_mut(count)) {
        let (top, tau) = threshold(x);
        out.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - top - tau).maximum(T::ZERO));
    }
}

/// The largest element of a row, and τ less it; NaN where there is none.
#[inline(always)]
fn threshold<T: Float>(x: &[T]) -> (T, T) {
    let top = rows::largest(x);
    let bad = x.iter().any(|&x| x.is_nan() || x == -T::NEG_INFINITY);
    if bad || top == T::NEG_INFINITY {
        return (top, T::of(f64::NAN));
    }
    // Relative to the largest, so that sums keep their digits.
    let (mut tau, mut before) = (-T::ONE, x.len() + 1);
    loop {
        let (sum, kept) = x.iter().fold((T::ZERO, 0), |(sum, kept), &x| {
            let x = x - top;
            if x > tau { (sum + x, kept + 1) } else { (sum, kept) }
        });
        if kept >= before || kept == 0 {
            return (top, tau);
        }
        before = kept;
        tau = (sum - T::ONE) / T::of(kept as f64);
    }
}

#[inline(always)]
fn backward<T: Float>(y: &[T], dy: &[T], out: &mut [T], count: usize) {
    for ((y, dy), out) in y.chunks_exact(count).zip(dy.chunks_exact(count)).zip(out.chunks_exact_mut(count)) {
        let sum = rows::total(y, dy, |y, dy| if y > T::ZERO { dy } else { T::ZERO });
        let kept = rows::total(y, y, |y, _| if y > T::ZERO { T::ONE } else { T::ZERO });
        let mean = sum / kept;
        out.iter_mut().zip(y).zip(dy).for_each(|((out, &y), &dy)| *out = if y > T::ZERO { dy - mean } else { T::ZERO });
    }
}
