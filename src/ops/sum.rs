//! The sum over axes.

use super::reduce::{self, Axes};
use crate::device::cuda::{CudaDevice, Kernel};
use crate::error::Result;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;

/// Σ x over axes.
#[derive(Clone, Debug)]
pub struct Sum(Axes);

static SUM: Kernel = Kernel::new("reduce", "sum_fwd", FLOATS);

impl Tensor {
    /// The sum over `axes`, over all of them if none is named; with `keepdims` they stay with the extent 1.
    ///
    /// # Errors
    /// An axis that the tensor does not have or that is named twice, a dtype that is no float.
    pub fn sum(&self, axes: &[isize], keepdims: bool) -> Result<Tensor> {
        apply_one(Sum(Axes::new(axes, keepdims)), &[self])
    }
}

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(self.0.infer("sum", inputs)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, mask) = (inputs[0], self.0.mask(&inputs[0].shape(), "sum")?);
        with_float!(x.dtype(), "sum", T => {
            reduce::cpu::<T>(x.data()?, &x.shape(), &mask, outputs[0].data_mut()?, 0.0, |a, b| a + b, |s| s);
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let mask = self.0.mask(&inputs[0].shape(), "sum")?;
        reduce::cuda(device, &SUM, inputs[0].dtype(), inputs[0], &mask, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let shape = node.input_meta(0).shape;
        let gradient = node.grad()?.reshape(self.0.kept(&shape, "sum")?)?;
        Ok(Gradients::from_iter([Some(gradient.broadcast_to(shape)?)]))
    }

    fn cases() -> Vec<Case> {
        reduce::CASES.iter().map(|&(x, axes, keep)| Case::new(Sum(Axes::new(axes, keep)), [Sample::new(x)])).collect()
    }
}
