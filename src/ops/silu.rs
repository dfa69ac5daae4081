//! The sigmoid-weighted linear unit.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x σ(x), with the slope σ (1 + x (1 − σ)).
    SiluFunction, Silu, SiluGrad, "silu", slope of Input, over -4.0..4.0;
    value(x) x * x.sigmoid();
    slope(x) {
        let s = x.sigmoid();
        s * (T::ONE + x * (T::ONE - s))
    };
}

impl Tensor {
    /// x σ(x) element by element, also called swish ([Keras](https://keras.io/api/ops/nn/#silu-function),
    /// [paper](https://arxiv.org/abs/1702.03118)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn silu(&self) -> Result<Tensor> {
        Silu::of(self)
    }
}
