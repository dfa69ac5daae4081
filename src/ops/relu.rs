//! The rectified linear unit.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// max(x, 0), with the slope 0 at 0.
    ReluFunction, Relu, ReluGrad, "relu", slope of Output, over -2.0..2.0;
    value(x) if x > T::ZERO || x.is_nan() { x } else { T::ZERO };
    slope(y) if y > T::ZERO { T::ONE } else { T::ZERO };
}

impl Tensor {
    /// The rectified linear unit, max(x, 0) element by element; NaN stays
    /// ([Keras](https://keras.io/api/layers/activations/#relu-function)). The slope at 0 is 0.
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn relu(&self) -> Result<Tensor> {
        Relu::of(self)
    }
}
