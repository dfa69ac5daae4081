//! The exponential linear unit.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x above 0, else eˣ − 1, with the slope 1 above 0, else eˣ = y + 1.
    EluFunction, Elu, EluGrad, "elu", slope of Output, over -2.0..2.0;
    value(x) if x > T::ZERO { x } else { x.exp_m1() };
    slope(y) if y > T::ZERO { T::ONE } else { y + T::ONE };
}

impl Tensor {
    /// x where it is above 0, else eˣ − 1: the exponential linear unit with α = 1 ([Keras](https://keras.io/api/ops/nn/#elu-function),
    /// [paper](https://arxiv.org/abs/1511.07289)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn elu(&self) -> Result<Tensor> {
        Elu::of(self)
    }
}
