//! Addition.

use super::binary;
use crate::device::cuda::{CudaDevice, Kernel};
use crate::error::Result;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;

/// a + b, with broadcasting.
#[derive(Clone, Copy, Debug)]
pub struct Add;

static ADD: Kernel = Kernel::new("binary", "add_fwd", FLOATS);

impl Tensor {
    /// a + b element by element; the shapes broadcast as in NumPy.
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes that differ or are no floats.
    pub fn add(&self, other: &Tensor) -> Result<Tensor> {
        apply_one(Add, &[self, other])
    }
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(binary::infer("add", inputs)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "add", T => binary::cpu_float::<T>(inputs, &mut outputs[0], |a, b| a + b))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        binary::cuda(device, &ADD, inputs[0].dtype(), inputs, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let gradient = |i| -> Result<Option<Tensor>> {
            let shape = node.input_meta(i).shape;
            if node.wants(i) { binary::unbroadcast(node.grad()?.clone(), &shape).map(Some) } else { Ok(None) }
        };
        Ok(Gradients::from_iter([gradient(0)?, gradient(1)?]))
    }

    fn cases() -> Vec<Case> {
        binary::CASES.iter().map(|(a, b)| Case::new(Add, [Sample::new(*a), Sample::new(*b)])).collect()
    }
}
