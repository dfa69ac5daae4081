//! The natural logarithm.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// ln x, with the slope 1 / x.
    LogFunction, Log, LogGrad, "log", slope of Input, over 0.1..4.0;
    value(x) x.ln();
    slope(x) T::ONE / x;
}

impl Tensor {
    /// ln x element by element: −∞ at 0, NaN below ([Keras](https://keras.io/api/ops/numpy/#log-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn log(&self) -> Result<Tensor> {
        Log::of(self)
    }
}
