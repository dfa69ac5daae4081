//! The hyperbolic tangent.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// tanh x, with the slope 1 − y².
    TanhFunction, Tanh, TanhGrad, "tanh", slope of Output, over -2.0..2.0;
    value(x) x.tanh();
    slope(y) (T::ONE - y) * (T::ONE + y);
}

impl Tensor {
    /// tanh x element by element ([Keras](https://keras.io/api/ops/nn/#tanh-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn tanh(&self) -> Result<Tensor> {
        Tanh::of(self)
    }
}
