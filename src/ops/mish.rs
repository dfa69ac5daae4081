//! The mish function.

use super::unary::unary;
use crate::device::cpu::Float;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x tanh(ln(1 + eˣ)), with the slope t + x (1 − t²) σ(x).
    MishFunction, Mish, MishGrad, "mish", slope of Input, over -4.0..4.0;
    value(x) x * gate(x);
    slope(x) {
        let t = gate(x);
        t + x * (T::ONE - t) * (T::ONE + t) * x.sigmoid()
    };
}

/// tanh(ln(1 + eˣ)).
#[inline(always)]
fn gate<T: Float>(x: T) -> T {
    (x.maximum(T::ZERO) + (-x.abs()).exp().ln_1p()).tanh()
}

impl Tensor {
    /// x tanh(ln(1 + eˣ)) element by element ([Keras](https://keras.io/api/layers/activations/#mish-function),
    /// [paper](https://arxiv.org/abs/1908.08681)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn mish(&self) -> Result<Tensor> {
        Mish::of(self)
    }
}
