//! The sigmoid-weighted linear unit by straight lines.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x · min(max(x/6 + ½, 0), 1), with the slope 0 below −3, 1 above 3, (2 x + 3) / 6 between.
    HardSiluFunction, HardSilu, HardSiluGrad, "hard_silu", slope of Input, over -4.0..4.0;
    value(x) if x <= T::of(-3.0) { T::ZERO } else if x >= T::of(3.0) { x } else { x * (x + T::of(3.0)) * T::of(1.0 / 6.0) };
    slope(x) if x <= T::of(-3.0) { T::ZERO } else if x >= T::of(3.0) { T::ONE } else { (x + x + T::of(3.0)) * T::of(1.0 / 6.0) };
}

impl Tensor {
    /// x · min(max(x/6 + ½, 0), 1) element by element, also called hard swish ([Keras](https://keras.io/api/layers/activations/#hardsilu-function),
    /// [paper](https://arxiv.org/abs/1905.02244)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn hard_silu(&self) -> Result<Tensor> {
        HardSilu::of(self)
    }
}
