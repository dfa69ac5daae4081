//! The logarithm of softmax.

use super::rows;
use crate::device::cpu::Float;
use crate::device::cuda::{CudaDevice, Kernel};
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;

/// y = x − max x − ln Σ e^(x − max x) along an axis.
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmax {
    axis: isize,
}

/// The backward of [`LogSoftmax`]: dx = dy − e^y · Σ dy.
#[derive(Clone, Copy, Debug)]
pub struct LogSoftmaxGrad {
    axis: isize,
}

static FORWARD: Kernel = Kernel::new("softmax", "log_softmax_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("softmax", "log_softmax_bwd", FLOATS);

impl Tensor {
    /// x − ln Σ e^x along `axis`, computed from x less its largest so that nothing overflows and nothing is lost to a
    /// probability that rounds to 0 ([Keras](https://keras.io/api/layers/activations/#logsoftmax-function)).
    ///
    /// An element of −∞ stays. Where all are −∞, one is +∞ or one is NaN, there is no answer, and all become NaN.
    ///
    /// # Errors
    /// An axis that the tensor does not have, a dtype that is no float.
    pub fn log_softmax(&self, axis: isize) -> Result<Tensor> {
        apply_one(LogSoftmax { axis }, &[self])
    }
}

impl Op for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(rows::infer("log_softmax", inputs, 1, self.axis)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        let axis = shape.axis(self.axis, "log_softmax")?;
        with_float!(inputs[0].dtype(), "log_softmax", T => {
            rows::cpu::<T>(inputs, &mut outputs[0], axis, #[inline(always)] |x, _, out| forward(x, out, shape[axis]))
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let axis = inputs[0].shape().axis(self.axis, "log_softmax")?;
        rows::cuda(device, &FORWARD, inputs[0].dtype(), inputs, &outputs[0], axis)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::outputs(&[0]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let gradient = apply_one(LogSoftmaxGrad { axis: self.axis }, &[node.output(0)?, node.grad()?])?;
        Ok(Gradients::from_iter([Some(gradient)]))
    }

    fn cases() -> Vec<Case> {
        let case = |&(shape, axis): &(&[usize], isize)| {
            let case = Case::new(LogSoftmax { axis }, [Sample::new(shape)]);
            // The sum of many outputs that are all far from 0 leaves too few digits for differences.
            let long = shape.iter().product::<usize>() > 10_000;
            if long { case.dtypes(&[DType::F32, DType::F16, DType::BF16]) } else { case }
        };
        rows::CASES.iter().map(case).collect()
    }
}

impl Op for LogSoftmaxGrad {
    fn name(&self) -> &'static str {
        "log_softmax_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(rows::infer("log_softmax_grad", inputs, 2, self.axis)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        let axis = shape.axis(self.axis, "log_softmax_grad")?;
        with_float!(inputs[0].dtype(), "log_softmax_grad", T => {
            rows::cpu::<T>(inputs, &mut outputs[0], axis, #[inline(always)] |y, dy, out| backward(y, dy, out, shape[axis]))
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let axis = inputs[0].shape().axis(self.axis, "log_softmax_grad")?;
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
            Case::new(LogSoftmaxGrad { axis }, [Sample::within(shape, -4.0..-0.5), Sample::new(shape)])
        };
        rows::CASES.iter().map(case).collect()
    }
}

#[inline(always)]
fn forward<T: Float>(x: &[T], out: &mut [T], count: usize) {
    let mut shifts = rows::shifts();
    rows::exponentials(x, count, out, &mut shifts);
    for ((x, out), shift) in x.chunks_exact(count).zip(out.chunks_exact_mut(count)).zip(shifts) {
        let log = rows::sum(out).ln();
        out.iter_mut().zip(x).for_each(|(out, &x)| *out = x - shift - log);
    }
}

#[inline(always)]
fn backward<T: Float>(y: &[T], dy: &[T], out: &mut [T], count: usize) {
    out.iter_mut().zip(y).for_each(|(out, &y)| *out = y.exp());
    for (dy, out) in dy.chunks_exact(count).zip(out.chunks_exact_mut(count)) {
        let total = rows::sum(dy);
        out.iter_mut().zip(dy).for_each(|(out, &dy)| *out = dy - *out * total);
    }
}
