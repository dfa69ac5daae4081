//! The mean of the inputs, element by element.

use super::merge::merging;
use crate::tensor::Tensor;

merging! {
    /// Σ xᵢ / n, element by element ([Keras](https://keras.io/api/layers/merging_layers/average/)).
    Average Tensor::add; then |sum: Tensor, n: usize| sum.mul_scalar(1.0 / n as f64)
}
