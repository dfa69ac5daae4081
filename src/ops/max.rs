//! The largest element over axes.

use super::reduce::{self, reduction};
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

reduction! {
    /// max x over axes, NaN where one is. Its gradient is split evenly among the elements that are equal to it.
    MaxFunction, Max, "max", from f64::NEG_INFINITY, keeps Keeps { inputs: &[0], outputs: &[0] };
    fold(a, b) a.maximum(b);
    finish(max, _count) max;
    gradient(axes, node) reduce::extreme_gradient("max", axes, node);
}

impl Tensor {
    /// The largest element over `axes`, over all of them if none is named; with `keepdims` they stay with the extent 1
    /// ([Keras](https://keras.io/api/ops/numpy/#max-function)).
    ///
    /// NaN where one is. The gradient is split evenly among the elements that are equal to the largest, as in JAX.
    ///
    /// # Errors
    /// An axis that the tensor does not have or that is named twice, a dtype that is no float, no elements.
    pub fn max(&self, axes: &[isize], keepdims: bool) -> Result<Tensor> {
        Max::of(self, axes, keepdims)
    }
}
