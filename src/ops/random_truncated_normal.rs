//! Normal random numbers without tails.

use super::random::{Draw, Generator, sample_state};
use crate::device::cuda::{CudaDevice, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::IntoShape;
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Tensor, apply_one};

/// mean + stddev · z with z standard normal, drawn again until |z| ≤ 2.
#[derive(Clone, Copy, Debug)]
pub struct RandomTruncatedNormal {
    draw: Draw,
    mean: f64,
    stddev: f64,
}

static TRUNCATED_NORMAL: Kernel = Kernel::new("random", "random_truncated_normal", FLOATS);

impl Generator {
    /// Normal numbers, drawn again where they lie farther than two standard deviations from the mean
    /// ([Keras](https://keras.io/api/random/random_ops/#truncated_normal-function)). Any floating-point dtype; the numbers are
    /// computed in f32 and converted.
    ///
    /// # Errors
    /// A mean or stddev that is not finite, a negative stddev, a dtype that is no float.
    pub fn truncated_normal(&self, shape: impl IntoShape, dtype: DType, mean: f64, stddev: f64) -> Result<Tensor> {
        apply_one(RandomTruncatedNormal { draw: Draw::new(self, shape, dtype)?, mean, stddev }, &[self.state()])
    }
}

impl RandomTruncatedNormal {
    fn scale_and_shift(&self) -> [f64; 2] {
        [self.stddev, self.mean]
    }
}

impl Op for RandomTruncatedNormal {
    fn name(&self) -> &'static str {
        "random_truncated_normal"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        if !(self.mean.is_finite() && self.stddev.is_finite() && self.stddev >= 0.0) {
            let message = format!("random_truncated_normal: expected a finite mean and stddev >= 0, got {} and {}", self.mean, self.stddev);
            return Err(Error::Config(message));
        }
        Ok(Metas::from_elem(self.draw.infer("random_truncated_normal", inputs)?, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        self.draw.cpu(inputs[0], &mut outputs[0], self.scale_and_shift(), |philox, i| {
            [0, 1, 2, 3].map(|k| philox.truncated_normal(4 * i + k))
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        self.draw.cuda(device, &TRUNCATED_NORMAL, inputs[0], &outputs[0], self.scale_and_shift())
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |draw| Case::new(RandomTruncatedNormal { draw, mean: 0.5, stddev: 2.0 }, [sample_state()]).dtypes(&[DType::F32]);
        Draw::cases().map(case).collect()
    }
}
