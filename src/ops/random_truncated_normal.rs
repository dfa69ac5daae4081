//! Normal random numbers without tails.

use super::random::{Distribution, Generator, Random};
use crate::device::cpu::philox::Philox;
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::IntoShape;
use crate::tensor::{FLOATS, Tensor};

/// mean + stddev · z with z standard normal, drawn again until |z| ≤ 2.
#[derive(Clone, Copy, Debug)]
pub struct TruncatedNormal;

/// The op.
pub type RandomTruncatedNormal = Random<TruncatedNormal>;

impl Distribution for TruncatedNormal {
    const NAME: &'static str = "random_truncated_normal";
    const EXPECTS: &'static str = "a finite mean and stddev >= 0";

    fn kernel() -> &'static Kernel {
        static KERNEL: Kernel = Kernel::new("random", "random_truncated_normal", FLOATS);
        &KERNEL
    }

    #[inline(always)]
    fn numbers(philox: &Philox, block: u64) -> [f32; 4] {
        [0, 1, 2, 3].map(|k| philox.truncated_normal(4 * block + k))
    }

    fn scale_and_shift([mean, stddev]: [f64; 2]) -> [f64; 2] {
        [stddev, mean]
    }
}

impl Generator {
    /// Normal numbers, drawn again where they lie farther than two standard deviations from the mean
    /// ([Keras](https://keras.io/api/random/random_ops/#truncated_normal-function)). Any floating-point dtype; the numbers
    /// are computed in f32 and converted.
    ///
    /// # Errors
    /// A mean or stddev that, as f32, is not finite, a negative stddev, a dtype that is no float.
    pub fn truncated_normal(&self, shape: impl IntoShape, dtype: DType, mean: f64, stddev: f64) -> Result<Tensor> {
        RandomTruncatedNormal::of(self, shape, dtype, [mean, stddev])
    }
}
