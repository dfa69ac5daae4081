//! A tensor stretched to a shape that it broadcasts to.

use super::binary;
use crate::device::cpu::convert::require_float;
use crate::device::cuda::{CudaDevice, Kernel};
use crate::error::{Error, Result};
use crate::shape::{IntoShape, Shape};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;

/// x repeated along the axes that the shape stretches.
#[derive(Clone, Debug)]
pub struct BroadcastTo(Shape);

static BROADCAST: Kernel = Kernel::new("binary", "broadcast_to_fwd", FLOATS);

impl Tensor {
    /// The tensor stretched to `shape`, as NumPy broadcasts.
    ///
    /// # Errors
    /// A shape that it does not broadcast to, a dtype that is no float.
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
        require_float("broadcast_to", x.dtype)?;
        if x.shape.broadcast(&self.0, "broadcast_to")? != self.0 {
            return Err(Error::shape("broadcast_to", format!("the shape {} does not stretch to {}", x.shape, self.0)));
        }
        Ok(Metas::from_elem(Meta::new(self.0, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let x = inputs[0];
        with_float!(x.dtype(), "broadcast_to", T => binary::cpu_float::<T>(&[x, x], &mut outputs[0], |a, _| a))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        binary::cuda(device, &BROADCAST, inputs[0].dtype(), &[inputs[0], inputs[0]], &outputs[0])
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
            .collect()
    }
}
