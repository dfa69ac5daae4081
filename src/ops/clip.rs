//! Values held within bounds.

use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;

/// min(max(x, least), most).
#[derive(Clone, Copy, Debug)]
pub struct Clip {
    least: f64,
    most: f64,
}

static CLIP: Kernel = Kernel::new("unary", "clip_fwd", FLOATS);

impl Tensor {
    /// min(max(x, least), most) element by element; NaN stays ([Keras](https://keras.io/api/ops/numpy/#clip-function)).
    ///
    /// The gradient passes where x is unchanged, at the bounds too, as in TensorFlow.
    ///
    /// # Errors
    /// A dtype that is no float, bounds that are NaN or of which the upper is the smaller.
    pub fn clip(&self, least: f64, most: f64) -> Result<Tensor> {
        apply_one(Clip { least, most }, &[self])
    }
}

impl Op for Clip {
    fn name(&self) -> &'static str {
        "clip"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        if self.least.is_nan() || self.most.is_nan() || self.least > self.most {
            return Err(Error::Config(format!("clip: nothing lies between {} and {}", self.least, self.most)));
        }
        match inputs {
            [x] => require_float("clip", x.dtype).map(|()| Metas::from_elem(*x, 1)),
            _ => Err(Error::shape("clip", format!("expected one tensor, got {}", inputs.len()))),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "clip", T => {
            let (x, least, most) = (inputs[0].data::<T>()?, self.least as T, self.most as T);
            let clip = |x| Float::minimum(Float::maximum(x, least), most);
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, 1 << 15, |start, out| {
                let x = &x[start..start + out.len()];
                T::vectorize(#[inline(always)] || out.iter_mut().zip(x).for_each(|(out, &x)| *out = clip(x)));
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let pointers = [Arg::input(inputs[0])?, Arg::output(&outputs[0])?];
        let args = [pointers[0], pointers[1], Arg::I64(n as i64), Arg::F64(self.least), Arg::F64(self.most)];
        device.launch(&CLIP, inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let (x, dy) = (node.input(0)?, node.grad()?);
        let unchanged = x.equal(&x.clip(self.least, self.most)?)?;
        let zero = Tensor::zeros(&dy.device(), (), dy.dtype())?;
        Ok(Gradients::from_iter([Some(unchanged.select(dy, &zero)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |n: usize, least, most| Case::new(Clip { least, most }, [Sample::new(n)]);
        vec![case(0, 0.0, 1.0), case(33, -1.0, 1.0), case(70_001, f64::NEG_INFINITY, 0.5)]
    }
}
