//! Softmax.

use super::rows;
use crate::device::cpu::Float;
use crate::device::cuda::{CudaDevice, Kernel};
use crate::error::Result;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;

/// y = e^(x − max x) / Σ e^(x − max x) along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Softmax {
    axis: isize,
}

/// The backward of [`Softmax`]: dx = y · (dy − Σ y·dy).
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxGrad {
    axis: isize,
}

static FORWARD: Kernel = Kernel::new("softmax", "softmax_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("softmax", "softmax_bwd", FLOATS);

impl Tensor {
    /// e^x / Σ e^x along `axis`, computed from x less its largest so that nothing overflows
    /// ([Keras](https://keras.io/api/layers/activations/#softmax-function)).
    ///
    /// An element of −∞ gives 0. Where all are −∞, one is +∞ or one is NaN, there is no answer, and all become NaN.
    ///
    /// # Errors
    /// An axis that the tensor does not have, a dtype that is no float.
    pub fn softmax(&self, axis: isize) -> Result<Tensor> {
        apply_one(Softmax { axis }, &[self])
    }
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(rows::infer("softmax", inputs, 1, self.axis)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        let axis = shape.axis(self.axis, "softmax")?;
        with_float!(inputs[0].dtype(), "softmax", T => {
            rows::cpu::<T>(inputs, &mut outputs[0], axis, #[inline(always)] |x, _, out| forward(x, out, shape[axis]))
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let axis = inputs[0].shape().axis(self.axis, "softmax")?;
        rows::cuda(device, &FORWARD, inputs[0].dtype(), inputs, &outputs[0], axis)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::outputs(&[0]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let gradient = apply_one(SoftmaxGrad { axis: self.axis }, &[node.output(0)?, node.grad()?])?;
        Ok(Gradients::from_iter([Some(gradient)]))
    }

    fn cases() -> Vec<Case> {
        rows::CASES.iter().map(|&(shape, axis)| Case::new(Softmax { axis }, [Sample::new(shape)])).collect()
    }
}

impl Op for SoftmaxGrad {
    fn name(&self) -> &'static str {
        "softmax_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(rows::infer("softmax_grad", inputs, 2, self.axis)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        let axis = shape.axis(self.axis, "softmax_grad")?;
        with_float!(inputs[0].dtype(), "softmax_grad", T => {
            rows::cpu::<T>(inputs, &mut outputs[0], axis, #[inline(always)] |y, dy, out| backward(y, dy, out, shape[axis]))
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let axis = inputs[0].shape().axis(self.axis, "softmax_grad")?;
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
            Case::new(SoftmaxGrad { axis }, [Sample::within(shape, 0.0..1.0), Sample::new(shape)])
        };
        rows::CASES.iter().map(case).collect()
    }
}

#[inline(always)]
fn forward<T: Float>(x: &[T], out: &mut [T], count: usize) {
    rows::exponentials(x, count, out, &mut rows::shifts());
    for row in out.chunks_exact_mut(count) {
        let scale = T::ONE / rows::sum(row);
        row.iter_mut().for_each(|y| *y = *y * scale);
    }
}

#[inline(always)]
fn backward<T: Float>(y: &[T], dy: &[T], out: &mut [T], count: usize) {
    for ((y, dy), out) in y.chunks_exact(count).zip(dy.chunks_exact(count)).zip(out.chunks_exact_mut(count)) {
        let mean = rows::total(y, dy, |y, dy| y * dy);
        out.iter_mut().zip(y).zip(dy).for_each(|((out, &y), &dy)| *out = y * (dy - mean));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_axis_is_the_last_one_moved() -> Result<()> {
        let n = 3 * 37 * 5;
        let x = Tensor::from_slice(&(0..n).map(|i| (i * 31 % 97) as f64 / 20.0).collect::<Vec<_>>(), [3, 37, 5])?;
        for (of, name) in
            [(Tensor::softmax as fn(&Tensor, isize) -> Result<Tensor>, "softmax"), (Tensor::log_softmax, "log")]
        {
            let moved = of(&x.transpose(&[0, 2, 1])?, -1)?.transpose(&[0, 2, 1])?;
            assert_eq!(of(&x, 1)?.to_vec::<f64>()?, moved.to_vec::<f64>()?, "{name}");
        }
        Ok(())
    }
}
