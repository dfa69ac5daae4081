//! Normal random numbers.

use super::random::{Draw, Generator, sample_state};
use crate::device::cpu::philox::Philox;
use crate::device::cuda::{CudaDevice, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::IntoShape;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Tensor, apply_one};

/// mean + stddev · z with z standard normal, by the Box–Muller transform.
#[derive(Clone, Copy, Debug)]
pub struct RandomNormal {
    draw: Draw,
    mean: f64,
    stddev: f64,
}

static NORMAL: Kernel = Kernel::new("random", "random_normal", FLOATS);

impl Generator {
    /// Normal numbers
    /// ([Keras](https://keras.io/api/random/random_ops/#normal-function)). Any floating-point dtype; the numbers are
    /// computed in f32 and converted.
    ///
    /// # Errors
    /// A mean or stddev that is not finite, a negative stddev, a dtype that is no float.
    pub fn normal(&self, shape: impl IntoShape, dtype: DType, mean: f64, stddev: f64) -> Result<Tensor> {
        apply_one(RandomNormal { draw: Draw::new(self, shape, dtype)?, mean, stddev }, &[self.state()])
    }
}

impl RandomNormal {
    fn scale_and_shift(&self) -> [f64; 2] {
        [self.stddev, self.mean]
    }
}

impl Op for RandomNormal {
    fn name(&self) -> &'static str {
        "random_normal"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        if !(self.mean.is_finite() && self.stddev.is_finite() && self.stddev >= 0.0) {
            let message = format!("random_normal: expected a finite mean and stddev >= 0, got {} and {}", self.mean, self.stddev);
            return Err(Error::Config(message));
        }
        Ok(Metas::from_elem(self.draw.infer("random_normal", inputs)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        self.draw.cpu(inputs[0], &mut outputs[0], self.scale_and_shift(), Philox::normal)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        self.draw.cuda(device, &NORMAL, inputs[0], &outputs[0], self.scale_and_shift())
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |draw| Case::new(RandomNormal { draw, mean: 0.5, stddev: 2.0 }, [sample_state()]).dtypes(&[DType::F32]);
        Draw::cases().map(case).collect()
    }
}
