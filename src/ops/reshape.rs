//! Another shape for the same elements.

use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{IntoShape, Shape};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, record_shared};

/// The same elements, in the same order, under another shape. It shares the storage.
#[derive(Clone, Debug)]
pub struct Reshape(Shape);

impl Tensor {
    /// The same elements, in the same order, under another shape; nothing is copied.
    ///
    /// # Errors
    /// A shape of another size.
    pub fn reshape(&self, shape: impl IntoShape) -> Result<Tensor> {
        let op = Reshape(shape.into_shape()?);
        op.infer(&[self.meta()])?;
        record_shared(op.clone(), self, self.with_shape(op.0))
    }
}

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x] if x.shape.size() == self.0.size() => Ok(Metas::from_elem(Meta::new(self.0, x.dtype), 1)),
            [x] => {
                let message = format!(
                    "a tensor of shape {} has {} elements, the shape {} has {}",
                    x.shape,
                    x.shape.size(),
                    self.0,
                    self.0.size()
                );
                Err(Error::shape("reshape", message))
            }
            _ => Err(Error::shape("reshape", format!("expected one tensor, got {}", inputs.len()))),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        outputs[0] = inputs[0].with_shape(self.0);
        Ok(())
    }

    fn cuda(&self, _: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        outputs[0] = inputs[0].with_shape(self.0);
        Ok(())
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        Ok(Gradients::from_iter([Some(node.grad()?.reshape(node.input_meta(0).shape)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |from: &[usize], to: &[usize]| Shape::new(to).map(|to| Case::new(Reshape(to), [Sample::new(from)]));
        [case(&[6], &[2, 3]), case(&[2, 3], &[3, 2]), case(&[1], &[]), case(&[0, 3], &[3, 0])]
            .into_iter()
            .flatten()
            .map(|c| c.dtypes(&DType::ALL))
            .collect()
    }
}
