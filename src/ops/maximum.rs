//! The larger of two.

use super::binary::binary;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

binary! {
    /// max(a, b), NaN where either is. The gradient goes to the larger one, half to each where they are equal.
    MaximumFunction, Maximum, "maximum", over -2.0..2.0, -2.0..2.0;
    value(a, b) a.maximum(b);
    keeps Keeps::inputs(&[0, 1]);
    gradients(node, dy)
        dy.mul(&MaximumSlope::of(node.input(0)?, node.input(1)?)?),
        dy.mul(&MaximumSlope::of(node.input(1)?, node.input(0)?)?);
}

binary! {
    /// The slope of max(a, b) in a: 1 where a is larger, ½ where they are equal, else 0.
    MaximumSlopeFunction, MaximumSlope, "maximum_slope", over -2.0..2.0, -2.0..2.0;
    value(a, b) if a > b { T::ONE } else if a == b { T::of(0.5) } else { T::ZERO };
    no gradient;
}

impl Tensor {
    /// max(a, b) element by element; the shapes broadcast as in NumPy
    /// ([Keras](https://keras.io/api/ops/numpy/#maximum-function)).
    ///
    /// NaN where either is. The gradient goes to the larger one, half to each where they are equal, as in JAX.
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes that differ or are no floats.
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        Maximum::of(self, other)
    }
}
