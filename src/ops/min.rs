//! The smallest element over axes.

use super::reduce::{self, reduction};
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

reduction! {
    /// min x over axes, NaN where one is. Its gradient is split evenly among the elements that are equal to it.
    MinFunction, Min, "min", from f64::INFINITY, keeps Keeps { inputs: &[0], outputs: &[0] };
    fold(a, b) a.minimum(b);
    finish(min, _count) min;
    gradient(axes, node) reduce::extreme_gradient("min", axes, node);
}

impl Tensor {
    /// The smallest element over `axes`, over all of them if none is named; with `keepdims` they stay with the extent 1
    /// ([Keras](https://keras.io/api/ops/numpy/#min-function)).
    ///
    /// NaN where one is. The gradient is split evenly among the elements that are equal to the smallest, as in JAX.
    ///
    /// # Errors
    /// An axis that the tensor does not have or that is named twice, a dtype that is no float, no elements.
    pub fn min(&self, axes: &[isize], keepdims: bool) -> Result<Tensor> {
        Min::of(self, axes, keepdims)
    }
}
