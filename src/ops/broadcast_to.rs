//! A tensor stretched to a shape that it broadcasts to.

use super::binary::{self, Broadcast};
use super::copy::{cuda_strided, with_word, words, words_mut};
use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{IntoShape, Shape};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};

/// x repeated along the axes that the shape stretches.
#[derive(Clone, Debug)]
pub struct BroadcastTo(Shape);

impl Tensor {
    /// The tensor stretched to `shape`, as NumPy broadcasts, for any dtype
    /// ([Keras](https://keras.io/api/ops/numpy/#broadcastto-function)); it copies.
    ///
    /// # Errors
    /// A shape that it does not broadcast to.
    pub fn broadcast_to(&self, shape: impl IntoShape) -> Result<Tensor> {
        let shape = shape.into_shape()?;
        if shape == self.shape() { Ok(self.clone()) } else { apply_one(BroadcastTo(shape), &[self]) }
    }
}

impl Op for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x] = inputs else {
            return Err(Error::shape("broadcast_to", format!("expected one tensor, got {}", inputs.len())));
        };
        if x.shape.broadcast(&self.0, "broadcast_to")? != self.0 {
            return Err(Error::shape("broadcast_to", format!("the shape {} does not stretch to {}", x.shape, self.0)));
        }
        Ok(Metas::from_elem(Meta::new(self.0, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let x = inputs[0];
        let shape = self.0;
        with_word!(x.dtype(), W => {
            let from = (words::<W>(x)?, x.shape());
            binary::cpu(from, from, (words_mut::<W>(&mut outputs[0])?, shape), &|x, _, out| match x {
                &[one] => out.fill(one),
                row => out.copy_from_slice(row),
            });
        });
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let plan = Broadcast::new([inputs[0].shape()], &self.0);
        cuda_strided(device, inputs[0], &outputs[0], &plan.dims, &plan.strides[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let shape = node.input_meta(0).shape;
        Ok(Gradients::from_iter([Some(binary::unbroadcast(node.grad()?.clone(), &shape)?)]))
    }

    fn cases() -> Vec<Case> {
        let case =
            |from: &[usize], to: &[usize]| Shape::new(to).map(|to| Case::new(BroadcastTo(to), [Sample::new(from)]));
        [case(&[], &[33]), case(&[5, 1], &[3, 5, 7]), case(&[1], &[0]), case(&[9973], &[7, 9973])]
            .into_iter()
            .flatten()
            .map(|case| case.dtypes(&DType::ALL))
            .collect()
    }
}
