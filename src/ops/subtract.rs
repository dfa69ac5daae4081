//! Subtraction.

use super::binary::binary;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

binary! {
    /// a − b.
    SubtractFunction, Subtract, "subtract", over -2.0..2.0, -2.0..2.0;
    value(a, b) a - b;
    keeps Keeps::NOTHING;
    gradients(node, dy) Ok(dy.clone()), dy.negative();
}

impl Tensor {
    /// a − b element by element; the shapes broadcast as in NumPy
    /// ([Keras](https://keras.io/api/ops/numpy/#subtract-function)).
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes that differ or are no floats.
    pub fn sub(&self, other: &Tensor) -> Result<Tensor> {
        Subtract::of(self, other)
    }
}
