//! The sum over axes.

use super::reduce::reduction;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

reduction! {
    /// Σ x over axes.
    SumFunction, Sum, "sum", from 0.0, keeps Keeps::NOTHING;
    fold(a, b) a + b;
    finish(sum, _count) sum;
    gradient(axes, node) {
        let shape = node.input_meta(0).shape;
        node.grad()?.reshape(axes.kept(&shape, "sum")?)?.broadcast_to(shape)
    };
}

impl Tensor {
    /// The sum over `axes`, over all of them if none is named; with `keepdims` they stay with the extent 1
    /// ([Keras](https://keras.io/api/ops/numpy/#sum-function)).
    ///
    /// The sum of no elements is 0.
    ///
    /// # Errors
    /// An axis that the tensor does not have or that is named twice, a dtype that is no float.
    pub fn sum(&self, axes: &[isize], keepdims: bool) -> Result<Tensor> {
        Sum::of(self, axes, keepdims)
    }
}
