//! The Gaussian error linear unit by way of tanh.

use super::unary::unary;
use crate::device::cpu::Float;
use crate::error::Result;
use crate::tensor::Tensor;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

unary! {
    /// ½ x (1 + tanh u) with u = √(2/π) (x + 0.044715 x³), with the slope ½ (1 + t) + ½ x (1 − t²) u′.
    GeluTanhFunction, GeluTanh, GeluTanhGrad, "gelu_tanh", slope of Input, over -4.0..4.0;
    value(x) T::of(0.5) * x * (T::ONE + inner(x).tanh());
    slope(x) {
        let t = inner(x).tanh();
        let inner_slope = T::of(SCALE) * (T::ONE + T::of(3.0 * CUBIC) * x * x);
        T::of(0.5) * (T::ONE + t) * (T::ONE + x * (T::ONE - t) * inner_slope)
    };
}

/// √(2/π).
const SCALE: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
const CUBIC: f64 = 0.044715;

#[inline(always)]
fn inner<T: Float>(x: T) -> T {
    T::of(SCALE) * x * (T::ONE + T::of(CUBIC) * x * x)
}

impl Tensor {
    /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) element by element: the approximation of [`Tensor::gelu`] that BERT and
    /// GPT-2 use ([Keras](https://keras.io/api/ops/nn/#gelu-function) with `approximate=True`).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn gelu_tanh(&self) -> Result<Tensor> {
        GeluTanh::of(self)
    }
}
