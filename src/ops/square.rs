//! The square.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x², with the slope 2x.
    SquareFunction, Square, SquareGrad, "square", slope of Input, over -2.0..2.0;
    value(x) x * x;
    slope(x) x + x;
}

impl Tensor {
    /// x² element by element ([Keras](https://keras.io/api/ops/numpy/#square-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn square(&self) -> Result<Tensor> {
        Square::of(self)
    }
}
