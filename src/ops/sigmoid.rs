//! The logistic function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// 1 / (1 + e⁻ˣ), with the slope y (1 − y).
    SigmoidFunction, Sigmoid, SigmoidGrad, "sigmoid", slope of Output, over -4.0..4.0;
    value(x) x.sigmoid();
    slope(y) y * (T::ONE - y);
}

impl Tensor {
    /// 1 / (1 + e⁻ˣ) element by element ([Keras](https://keras.io/api/ops/nn/#sigmoid-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn sigmoid(&self) -> Result<Tensor> {
        Sigmoid::of(self)
    }
}
