//! The leaky rectified linear unit.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// x from 0 on, else x / 5, with the slope 1 at 0.
    LeakyReluFunction, LeakyRelu, LeakyReluGrad, "leaky_relu", slope of Input, over -2.0..2.0;
    value(x) if x >= T::ZERO { x } else { T::of(0.2) * x };
    slope(x) if x >= T::ZERO { T::ONE } else { T::of(0.2) };
}

impl Tensor {
    /// x where it is at least 0, else 0.2 x ([Keras](https://keras.io/api/layers/activations/#leakyrelu-function) with its default slope,
    /// [paper](https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf)). [`Tensor::rectify`] takes others.
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn leaky_relu(&self) -> Result<Tensor> {
        LeakyRelu::of(self)
    }
}
