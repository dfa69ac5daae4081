//! The smallest of the inputs, element by element.

use super::merge::merging;
use crate::tensor::Tensor;

merging! {
    /// min xᵢ, element by element ([Keras](https://keras.io/api/layers/merging_layers/minimum/)).
    /// The gradient goes to the one that was taken, half to each of two that are equal.
    /// A masked element counts as what the others make.
    Minimum Tensor::minimum; masked Others
}
