//! The softplus function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// ln(1 + eˣ), with the slope σ(x) = 1 − e⁻ʸ.
    SoftplusFunction, Softplus, SoftplusGrad, "softplus", slope of Output, over -4.0..4.0;
    value(x) x.maximum(T::ZERO) + (-x.abs()).exp().ln_1p();
    slope(y) -(-y).exp_m1();
}

impl Tensor {
    /// ln(1 + eˣ) element by element ([Keras](https://keras.io/api/ops/nn/#softplus-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn softplus(&self) -> Result<Tensor> {
        Softplus::of(self)
    }
}
