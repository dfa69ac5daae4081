//! A scale and an offset.

use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;

/// x · scale + offset.
#[derive(Clone, Copy, Debug)]
pub struct Rescale {
    scale: f64,
    offset: f64,
}

static RESCALE: Kernel = Kernel::new("unary", "rescale_fwd", FLOATS);

impl Tensor {
    /// x · scale + offset element by element, as [Keras's Rescaling layer](https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/)
    /// has it.
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn rescale(&self, scale: f64, offset: f64) -> Result<Tensor> {
        apply_one(Rescale { scale, offset }, &[self])
    }

    /// x · factor element by element.
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn mul_scalar(&self, factor: f64) -> Result<Tensor> {
        self.rescale(factor, 0.0)
    }

    /// x + term element by element.
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn add_scalar(&self, term: f64) -> Result<Tensor> {
        self.rescale(1.0, term)
    }

    /// −x element by element ([Keras](https://keras.io/api/ops/numpy/#negative-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn negative(&self) -> Result<Tensor> {
        self.rescale(-1.0, 0.0)
    }
}

impl Op for Rescale {
    fn name(&self) -> &'static str {
        "rescale"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x] => require_float("rescale", x.dtype).map(|()| Metas::from_elem(*x, 1)),
            _ => Err(Error::shape("rescale", format!("expected one tensor, got {}", inputs.len()))),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "rescale", T => {
            let (x, scale, offset) = (inputs[0].data::<T>()?, self.scale as T, self.offset as T);
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, 1 << 15, |start, out| {
                let x = &x[start..start + out.len()];
                T::vectorize(#[inline(always)] || out.iter_mut().zip(x).for_each(|(out, &x)| *out = x * scale + offset));
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let pointers = [Arg::input(inputs[0])?, Arg::output(&outputs[0])?];
        let args = [pointers[0], pointers[1], Arg::I64(n as i64), Arg::F64(self.scale), Arg::F64(self.offset)];
        device.launch(&RESCALE, inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        Ok(Gradients::from_iter([Some(node.grad()?.mul_scalar(self.scale)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize, scale, offset| Case::new(Rescale { scale, offset }, [Sample::new(n)]);
        vec![case(0, 2.0, 1.0), case(33, 1.0 / 255.0, 0.0), case(70_001, -1.5, 0.25)]
    }
}
