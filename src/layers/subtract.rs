//! One input less another, element by element.

use super::merge::merging;
use crate::tensor::Tensor;

merging! {
    /// x₁ − x₂, element by element, of exactly two inputs
    /// ([Keras](https://keras.io/api/layers/merging_layers/subtract/)).
    Subtract Tensor::sub; of 2
}
