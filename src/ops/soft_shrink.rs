//! The soft shrink function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x brought nearer to 0 by ½, and 0 within ±½, with the slope 0 or 1.
    SoftShrinkFunction, SoftShrink, SoftShrinkGrad, "soft_shrink", slope of Input, over -2.0..2.0;
    value(x) x - x.maximum(T::of(-0.5)).minimum(T::of(0.5));
    slope(x) if x.abs() <= T::of(0.5) { T::ZERO } else { T::ONE };
}

impl Tensor {
    /// x − ½ above ½, x + ½ below −½, else 0, element by element ([Keras](https://keras.io/api/layers/activations/#softshrink-function) with its
    /// default threshold).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn soft_shrink(&self) -> Result<Tensor> {
        SoftShrink::of(self)
    }
}
