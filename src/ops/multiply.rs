//! Multiplication.

use super::binary::binary;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

binary! {
    /// a · b.
    MultiplyFunction, Multiply, "multiply", over -2.0..2.0, -2.0..2.0;
    value(a, b) a * b;
    keeps Keeps::inputs(&[0, 1]);
    gradients(node, dy) dy.mul(node.input(1)?), dy.mul(node.input(0)?);
}

impl Tensor {
    /// a · b element by element; the shapes broadcast as in NumPy
    /// ([Keras](https://keras.io/api/ops/numpy/#multiply-function)).
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes that differ or are no floats.
    pub fn mul(&self, other: &Tensor) -> Result<Tensor> {
        Multiply::of(self, other)
    }
}
