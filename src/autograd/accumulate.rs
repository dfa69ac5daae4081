//! The sum of two gradients of one tensor.

use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;

/// `a + b` for two tensors of one shape and dtype.
#[derive(Clone, Copy, Debug)]
pub struct Accumulate;

static ACCUMULATE: Kernel = Kernel::new("accumulate", "accumulate", crate::tensor::FLOATS);

impl Accumulate {
    /// The sum.
    pub fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
        apply_one(Accumulate, &[a, b])
    }
}

impl Op for Accumulate {
    fn name(&self) -> &'static str {
        "accumulate"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [a, b] if a == b => Ok(Metas::from_elem(*a, 1)),
            _ => Err(Error::shape(
                "accumulate",
                format!("expected two tensors of one shape and dtype, got {}", given(inputs)),
            )),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "accumulate", T => {
            let (a, b) = (inputs[0].data::<T>()?, inputs[1].data::<T>()?);
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, 1 << 16, |start, out| {
                let end = start + out.len();
                sum(&a[start..end], &b[start..end], out);
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = outputs[0].shape().size();
        let args = [Arg::input(inputs[0])?, Arg::input(inputs[1])?, Arg::output(&outputs[0])?, Arg::I64(n as i64)];
        device.launch(&ACCUMULATE, inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let gradient = node.grad()?;
        Ok([Some(gradient.clone()), Some(gradient.clone())].into_iter().collect())
    }

    fn cases() -> Vec<Case> {
        [0, 1, 33, 70_001].map(|n| Case::new(Accumulate, [Sample::new(n), Sample::new(n)])).into()
    }
}

fn sum<T: Float>(a: &[T], b: &[T], out: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = a + b;
            }
        },
    );
}
