//! The square root.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// √x, with the slope 1 / 2y.
    SqrtFunction, Sqrt, SqrtGrad, "sqrt", slope of Output, over 0.1..4.0;
    value(x) x.sqrt();
    slope(y) T::of(0.5) / y;
}

impl Tensor {
    /// √x element by element, NaN below 0 ([Keras](https://keras.io/api/ops/numpy/#sqrt-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn sqrt(&self) -> Result<Tensor> {
        Sqrt::of(self)
    }
}
