//! Powers.

use super::binary::binary;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

binary! {
    /// aᵇ.
    PowerFunction, Power, "power", over 0.3..2.0, -2.0..2.0;
    value(a, b) a.pow(b);
    keeps Keeps::inputs(&[0, 1]);
    gradients(node, dy)
        dy.mul(&BaseSlope::of(node.input(0)?, node.input(1)?)?),
        dy.mul(&ExponentSlope::of(node.input(0)?, node.input(1)?)?);
}

binary! {
    /// ∂aᵇ/∂a = b · aᵇ⁻¹, and 0 where b = 0, at a = 0 too.
    BaseSlopeFunction, BaseSlope, "power_base_slope", over 0.3..2.0, -2.0..2.0;
    value(a, b) if b == T::ZERO { T::ZERO } else { b * a.pow(b - T::ONE) };
    no gradient;
}

binary! {
    /// ∂aᵇ/∂b = aᵇ · ln a, and 0 where a = 0.
    ExponentSlopeFunction, ExponentSlope, "power_exponent_slope", over 0.3..2.0, -2.0..2.0;
    value(a, b) if a == T::ZERO { T::ZERO } else { a.pow(b) * a.ln() };
    no gradient;
}

impl Tensor {
    /// aᵇ element by element; the shapes broadcast as in NumPy ([Keras](https://keras.io/api/ops/numpy/#power-function)).
    ///
    /// The gradient of the exponent is NaN for a negative base, and 0 for the base 0. For b = 2 and ½ there are
    /// [`Tensor::square`] and [`Tensor::sqrt`].
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes that differ or are no floats.
    pub fn pow(&self, exponent: &Tensor) -> Result<Tensor> {
        Power::of(self, exponent)
    }
}
