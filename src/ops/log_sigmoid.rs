//! The logarithm of the sigmoid.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// ln σ(x) = min(x, 0) − ln(1 + e^−|x|), with the slope σ(−x) = 1 − eʸ.
    LogSigmoidFunction, LogSigmoid, LogSigmoidGrad, "log_sigmoid", slope of Output, over -4.0..4.0;
    value(x) x.minimum(T::ZERO) - (-x.abs()).exp().ln_1p();
    slope(y) -y.exp_m1();
}

impl Tensor {
    /// ln(1 / (1 + e⁻ˣ)) element by element ([Keras](https://keras.io/api/layers/activations/#logsigmoid-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn log_sigmoid(&self) -> Result<Tensor> {
        LogSigmoid::of(self)
    }
}
