//! The largest of the inputs, element by element.

use super::merge::merging;
use crate::tensor::Tensor;

merging! {
    /// max xᵢ, element by element ([Keras](https://keras.io/api/layers/merging_layers/maximum/)).
    /// The gradient goes to the one that was taken, half to each of two that are equal.
    /// A masked element counts as what the others make.
    Maximum Tensor::maximum; masked Others
}
