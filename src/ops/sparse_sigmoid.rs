//! The sparse sigmoid function.

use super::unary::unary;
use crate::error::Result;
use crate::tensor::Tensor;

unary! {
    /// min(max((x + 1) / 2, 0), 1), with the slope ½ between −1 and 1, else 0.
    SparseSigmoidFunction, SparseSigmoid, SparseSigmoidGrad, "sparse_sigmoid", slope of Input, over -2.0..2.0;
    value(x) (T::of(0.5) * (x + T::ONE)).maximum(T::ZERO).minimum(T::ONE);
    slope(x) if x.abs() < T::ONE { T::of(0.5) } else { T::ZERO };
}

impl Tensor {
    /// min(max((x + 1) / 2, 0), 1) element by element ([Keras](https://keras.io/api/layers/activations/#sparsesigmoid-function)).
    ///
    /// # Errors
    /// A dtype that is no float.
    pub fn sparse_sigmoid(&self) -> Result<Tensor> {
        SparseSigmoid::of(self)
    }
}
