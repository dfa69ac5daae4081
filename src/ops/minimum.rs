//! The smaller of two.

use super::binary::binary;
use super::maximum::MaximumSlope;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

binary! {
    /// min(a, b), NaN where either is. The gradient goes to the smaller one, half to each where they are equal.
    MinimumFunction, Minimum, "minimum", over -2.0..2.0, -2.0..2.0;
    value(a, b) a.minimum(b);
    keeps Keeps::inputs(&[0, 1]);
    gradients(node, dy)
        dy.mul(&MaximumSlope::of(node.input(1)?, node.input(0)?)?),
        dy.mul(&MaximumSlope::of(node.input(0)?, node.input(1)?)?);
}

impl Tensor {
    /// min(a, b) element by element; the shapes broadcast as in NumPy
    /// ([Keras](https://keras.io/api/ops/numpy/#minimum-function)).
    ///
    /// NaN where either is. The gradient goes to the smaller one, half to each where they are equal, as in JAX.
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes that differ or are no floats.
    pub fn minimum(&self, other: &Tensor) -> Result<Tensor> {
        Minimum::of(self, other)
    }
}
