//! The absolute value.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// |x|, with the slope 0 at 0.
    AbsoluteFunction, Absolute, AbsoluteGrad, "absolute", slope of Input, over -2.0..2.0;
    value(x) x.abs();
    slope(x) if x > T::ZERO {
        T::ONE
    } else if x < T::ZERO {
        -T::ONE
    } else {
        T::ZERO
    };
}

impl Tensor {
    /// |x| element by element ([Keras](https://keras.io/api/ops/numpy/#absolute-function)); its slope at 0 is 0.
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn abs(&self) -> Result<Tensor> {
        Absolute::of(self)
    }
}
