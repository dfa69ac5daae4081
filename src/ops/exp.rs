//! The exponential function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// eˣ.
    ExpFunction, Exp, ExpGrad, "exp", slope of Output, over -2.0..2.0;
    value(x) x.exp();
    slope(y) y;
}

impl Tensor {
    /// eˣ element by element ([Keras](https://keras.io/api/ops/numpy/#exp-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn exp(&self) -> Result<Tensor> {
        Exp::of(self)
    }
}
