//! Inputs multiplied element by element.

use super::merge::merging;
use crate::tensor::Tensor;

merging! {
    /// Π xᵢ, element by element ([Keras](https://keras.io/api/layers/merging_layers/multiply/)).
    Multiply Tensor::mul
}
