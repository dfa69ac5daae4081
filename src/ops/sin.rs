//! The sine.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// sin x.
    SinFunction, Sin, SinGrad, "sin", slope of Input, over -7.0..7.0;
    value(x) x.sin();
    slope(x) x.cos();
}

impl Tensor {
    /// sin x element by element, of radians ([Keras](https://keras.io/api/ops/numpy/#sin-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn sin(&self) -> Result<Tensor> {
        Sin::of(self)
    }
}
