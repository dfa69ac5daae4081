//! Normal random numbers.

use super::random::{Distribution, Generator, Random};
use crate::device::cpu::philox::Philox;
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::IntoShape;
use crate::tensor::{FLOATS, Tensor};

/// mean + stddev · z with z standard normal, by the Box–Muller transform.
#[derive(Clone, Copy, Debug)]
pub struct Normal;

/// The op.
pub type RandomNormal = Random<Normal>;

impl Distribution for Normal {
    const NAME: &'static str = "random_normal";
    const EXPECTS: &'static str = "a finite mean and stddev >= 0";

    fn kernel() -> &'static Kernel {
        static KERNEL: Kernel = Kernel::new("random", "random_normal", FLOATS);
        &KERNEL
    }

    #[inline(always)]
    fn numbers(philox: &Philox, block: u64) -> [f32; 4] {
        philox.normal(block)
    }

    fn scale_and_shift([mean, stddev]: [f64; 2]) -> [f64; 2] {
        [stddev, mean]
    }
}

impl Generator {
    /// Normal numbers ([Keras](https://keras.io/api/random/random_ops/#normal-function)). Any floating-point dtype; the
    /// numbers are computed in f32 and converted.
    ///
    /// # Errors
    /// A mean or stddev that, as f32, is not finite, a negative stddev, a dtype that is no float.
    pub fn normal(&self, shape: impl IntoShape, dtype: DType, mean: f64, stddev: f64) -> Result<Tensor> {
        RandomNormal::of(self, shape, dtype, [mean, stddev])
    }
}
