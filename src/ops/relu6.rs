//! The rectified linear unit that saturates.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// min(max(x, 0), 6), with the slope 1 between, else 0.
    Relu6Function, Relu6, Relu6Grad, "relu6", slope of Input, over -4.0..8.0;
    value(x) x.maximum(T::ZERO).minimum(T::of(6.0));
    slope(x) if x > T::ZERO && x < T::of(6.0) { T::ONE } else { T::ZERO };
}

impl Tensor {
    /// min(max(x, 0), 6) element by element ([Keras](https://keras.io/api/layers/activations/#relu6-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn relu6(&self) -> Result<Tensor> {
        Relu6::of(self)
    }
}
