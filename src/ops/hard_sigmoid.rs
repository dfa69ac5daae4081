//! The sigmoid by straight lines.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// min(max(x/6 + ½, 0), 1), with the slope 1/6 between −3 and 3, else 0.
    HardSigmoidFunction, HardSigmoid, HardSigmoidGrad, "hard_sigmoid", slope of Input, over -4.0..4.0;
    value(x) (x * T::of(1.0 / 6.0) + T::of(0.5)).maximum(T::ZERO).minimum(T::ONE);
    slope(x) if x.abs() < T::of(3.0) { T::of(1.0 / 6.0) } else { T::ZERO };
}

impl Tensor {
    /// min(max(x/6 + ½, 0), 1) element by element ([Keras](https://keras.io/api/layers/activations/#hardsigmoid-function),
    /// [paper](https://arxiv.org/abs/1511.00363)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn hard_sigmoid(&self) -> Result<Tensor> {
        HardSigmoid::of(self)
    }
}
