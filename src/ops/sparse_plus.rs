//! The sparse plus function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// 0 up to −1, x from 1 on, (x + 1)² / 4 between, with the slope (x + 1) / 2 there.
    SparsePlusFunction, SparsePlus, SparsePlusGrad, "sparse_plus", slope of Input, over -2.0..2.0;
    value(x) if x <= -T::ONE { T::ZERO } else if x >= T::ONE { x } else { T::of(0.25) * (x + T::ONE) * (x + T::ONE) };
    slope(x) if x <= -T::ONE { T::ZERO } else if x >= T::ONE { T::ONE } else { T::of(0.5) * (x + T::ONE) };
}

impl Tensor {
    /// 0 where x ≤ −1, x where x ≥ 1, else (x + 1)² / 4, element by element ([Keras](https://keras.io/api/layers/activations/#sparseplus-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn sparse_plus(&self) -> Result<Tensor> {
        SparsePlus::of(self)
    }
}
