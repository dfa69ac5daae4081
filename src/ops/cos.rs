//! The cosine.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// cos x.
    CosFunction, Cos, CosGrad, "cos", slope of Input, over -7.0..7.0;
    value(x) x.cos();
    slope(x) -x.sin();
}

impl Tensor {
    /// cos x element by element, of radians ([Keras](https://keras.io/api/ops/numpy/#cos-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn cos(&self) -> Result<Tensor> {
        Cos::of(self)
    }
}
