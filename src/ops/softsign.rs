//! The softsign function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x / (1 + |x|), with the slope 1 / (1 + |x|)² = (1 − |y|)².
    SoftsignFunction, Softsign, SoftsignGrad, "softsign", slope of Output, over -4.0..4.0;
    value(x) x / (T::ONE + x.abs());
    slope(y) (T::ONE - y.abs()) * (T::ONE - y.abs());
}

impl Tensor {
    /// x / (1 + |x|) element by element ([Keras](https://keras.io/api/layers/activations/#softsign-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn softsign(&self) -> Result<Tensor> {
        Softsign::of(self)
    }
}
