//! The hyperbolic tangent by straight lines.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// min(max(x, −1), 1), with the slope 1 between, else 0.
    HardTanhFunction, HardTanh, HardTanhGrad, "hard_tanh", slope of Input, over -2.0..2.0;
    value(x) x.maximum(-T::ONE).minimum(T::ONE);
    slope(x) if x.abs() < T::ONE { T::ONE } else { T::ZERO };
}

impl Tensor {
    /// min(max(x, −1), 1) element by element ([Keras](https://keras.io/api/layers/activations/#hardtanh-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn hard_tanh(&self) -> Result<Tensor> {
        HardTanh::of(self)
    }
}
