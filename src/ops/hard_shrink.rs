//! The hard shrink function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// 0 within ±½, else x, with the slope 0 or 1.
    HardShrinkFunction, HardShrink, HardShrinkGrad, "hard_shrink", slope of Input, over -2.0..2.0;
    value(x) if x.abs() <= T::of(0.5) { T::ZERO } else { x };
    slope(x) if x.abs() <= T::of(0.5) { T::ZERO } else { T::ONE };
}

impl Tensor {
    /// x element by element, 0 where |x| ≤ ½ ([Keras](https://keras.io/api/layers/activations/#hardshrink-function) with its default threshold).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn hard_shrink(&self) -> Result<Tensor> {
        HardShrink::of(self)
    }
}
