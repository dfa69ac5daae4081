//! Uniform random numbers.

use super::random::{Draw, Generator, sample_state};
use crate::device::cpu::philox::Philox;
use crate::device::cuda::{CudaDevice, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::IntoShape;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Tensor, apply_one};

/// low + (high − low) · u with u uniform in [0, 1), a multiple of 2⁻²⁴.
#[derive(Clone, Copy, Debug)]
pub struct RandomUniform {
    draw: Draw,
    low: f64,
    high: f64,
}

static UNIFORM: Kernel = Kernel::new("random", "random_uniform", FLOATS);

impl Generator {
    /// Numbers uniform in [low, high); where the ends are far from 0 for their distance, rounding may reach `high`
    /// ([Keras](https://keras.io/api/random/random_ops/#uniform-function)). Any floating-point dtype; the numbers are
    /// computed in f32 and converted.
    ///
    /// # Errors
    /// Ends that are not finite or in the wrong order, a dtype that is no float.
    pub fn uniform(&self, shape: impl IntoShape, dtype: DType, low: f64, high: f64) -> Result<Tensor> {
        apply_one(RandomUniform { draw: Draw::new(self, shape, dtype)?, low, high }, &[self.state()])
    }
}

impl RandomUniform {
    fn scale_and_shift(&self) -> [f64; 2] {
        [self.high - self.low, self.low]
    }
}

impl Op for RandomUniform {
    fn name(&self) -> &'static str {
        "random_uniform"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        if !(self.low.is_finite() && self.high.is_finite() && self.low <= self.high) {
            let message = format!("random_uniform: expected finite low <= high, got {} and {}", self.low, self.high);
            return Err(Error::Config(message));
        }
        Ok(Metas::from_elem(self.draw.infer("random_uniform", inputs)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        self.draw.cpu(inputs[0], &mut outputs[0], self.scale_and_shift(), Philox::uniform)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        self.draw.cuda(device, &UNIFORM, inputs[0], &outputs[0], self.scale_and_shift())
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |draw| Case::new(RandomUniform { draw, low: -0.25, high: 1.5 }, [sample_state()]).dtypes(&[DType::F32]);
        Draw::cases().map(case).collect()
    }
}
