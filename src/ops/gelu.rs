//! The Gaussian error linear unit.

use super::unary::unary;
use crate::device::cpu::Float;
use crate::error::Result;
use crate::tensor::Tensor;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

unary! {
    /// x Φ(x) with Φ(x) = erfc(−x / √2) / 2, with the slope Φ(x) + x e^(−x²/2) / √(2π).
    GeluFunction, Gelu, GeluGrad, "gelu", slope of Input, over -4.0..4.0;
    value(x) x * normal_cdf(x);
    slope(x) {
        let density = (-T::of(0.5) * x * x).exp() * T::of(FRAC_1_SQRT_2 * FRAC_2_SQRT_PI / 2.0);
        normal_cdf(x) + x * density
    };
}

#[inline(always)]
fn normal_cdf<T: Float>(x: T) -> T {
    T::of(0.5) * (x * T::of(-FRAC_1_SQRT_2)).erfc()
}

impl Tensor {
    /// x Φ(x) element by element, with the exact distribution function Φ of the normal distribution
    /// ([Keras](https://keras.io/api/ops/nn/#gelu-function) with `approximate=False`, [paper](https://arxiv.org/abs/1606.08415)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn gelu(&self) -> Result<Tensor> {
        Gelu::of(self)
    }
}
