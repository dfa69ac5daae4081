//! The mean over axes.

use super::reduce::reduction;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

reduction! {
    /// Σ x / n over axes of n elements.
    MeanFunction, Mean, "mean", from 0.0, keeps Keeps::NOTHING;
    fold(a, b) a + b;
    finish(sum, count) sum / T::of(count as f64);
    gradient(axes, node) {
        let shape = node.input_meta(0).shape;
        let each = node.grad()?.mul_scalar(1.0 / axes.count(&shape, "mean")? as f64)?;
        each.reshape(axes.kept(&shape, "mean")?)?.broadcast_to(shape)
    };
}

impl Tensor {
    /// The mean over `axes`, over all of them if none is named; with `keepdims` they stay with the extent 1
    /// ([Keras](https://keras.io/api/ops/numpy/#mean-function)).
    ///
    /// The mean of no elements is NaN.
    ///
    /// # Errors
    /// An axis that the tensor does not have or that is named twice, a dtype that is no float.
    pub fn mean(&self, axes: &[isize], keepdims: bool) -> Result<Tensor> {
        Mean::of(self, axes, keepdims)
    }
}
