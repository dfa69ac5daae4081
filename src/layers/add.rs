//! Inputs added element by element.

use super::merge::merging;
use crate::tensor::Tensor;

merging! {
    /// Σ xᵢ, element by element ([Keras](https://keras.io/api/layers/merging_layers/add/)).
    Add Tensor::add
}
