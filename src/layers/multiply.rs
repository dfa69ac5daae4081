//! Inputs multiplied element by element.

use super::merge::merging;
use crate::tensor::Tensor;

merging! {
    /// Π xᵢ, element by element ([Keras](https://keras.io/api/layers/merging_layers/multiply/)).
    /// A masked element counts as 1; where all are masked, the product is 0.
    Multiply Tensor::mul; masked One
}
