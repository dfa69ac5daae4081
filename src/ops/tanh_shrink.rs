//! The tanh shrink function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x − tanh x, with the slope tanh² x.
    TanhShrinkFunction, TanhShrink, TanhShrinkGrad, "tanh_shrink", slope of Input, over -2.0..2.0;
    value(x) x - x.tanh();
    slope(x) x.tanh() * x.tanh();
}

impl Tensor {
    /// x − tanh x element by element ([Keras](https://keras.io/api/layers/activations/#tanhshrink-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn tanh_shrink(&self) -> Result<Tensor> {
        TanhShrink::of(self)
    }
}
