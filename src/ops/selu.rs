//! The scaled exponential linear unit.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// λ x above 0, else λ α (eˣ − 1), with the slope λ above 0, else λ α eˣ = y + λ α.
    SeluFunction, Selu, SeluGrad, "selu", slope of Output, over -2.0..2.0;
    value(x) if x > T::ZERO { T::of(SCALE) * x } else { T::of(SCALE_ALPHA) * x.exp_m1() };
    slope(y) if y > T::ZERO { T::of(SCALE) } else { y + T::of(SCALE_ALPHA) };
}

/// λ, and λ α.
const SCALE: f64 = 1.050_700_987_355_480_5;
const SCALE_ALPHA: f64 = 1.758_099_340_847_376_6;

impl Tensor {
    /// λ x where it is above 0, else λ α (eˣ − 1), with λ ≈ 1.0507 and α ≈ 1.6733, for which the mean 0 and the variance 1
    /// reproduce themselves ([Keras](https://keras.io/api/layers/activations/#selu-function), [paper](https://arxiv.org/abs/1706.02515)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn selu(&self) -> Result<Tensor> {
        Selu::of(self)
    }
}
