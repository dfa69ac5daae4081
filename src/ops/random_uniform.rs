//! Uniform random numbers.

use super::random::{Distribution, Generator, Random};
use crate::device::cpu::philox::Philox;
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::Result;
use crate::shape::IntoShape;
use crate::tensor::{FLOATS, Tensor};

/// low + (high − low) · u with u uniform in [0, 1), a multiple of 2⁻²⁴.
#[derive(Clone, Copy, Debug)]
pub struct Uniform;

/// The op.
pub type RandomUniform = Random<Uniform>;

impl Distribution for Uniform {
    const NAME: &'static str = "random_uniform";
    const EXPECTS: &'static str = "finite low <= high";

    fn kernel() -> &'static Kernel {
        static KERNEL: Kernel = Kernel::new("random", "random_uniform", FLOATS);
        &KERNEL
    }

    #[inline(always)]
    fn numbers(philox: &Philox, block: u64) -> [f32; 4] {
        philox.uniform(block)
    }

    fn scale_and_shift([low, high]: [f64; 2]) -> [f64; 2] {
        [high - low, low]
    }
}

impl Generator {
    /// Numbers uniform in [low, high); where the ends are far from 0 for their distance, rounding may reach `high`
    /// ([Keras](https://keras.io/api/random/random_ops/#uniform-function)). Any floating-point dtype; the numbers are
    /// computed in f32 and converted.
    ///
    /// # Errors
    /// Ends that, as f32, are not finite or whose distance is not, or that are in the wrong order; a dtype that is no
    /// float.
    pub fn uniform(&self, shape: impl IntoShape, dtype: DType, low: f64, high: f64) -> Result<Tensor> {
        RandomUniform::of(self, shape, dtype, [low, high])
    }
}
