//! Division.

use super::binary::binary;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

binary! {
    /// a / b, with the gradients dy / b and −dy · (a / b) / b.
    DivideFunction, Divide, "divide", over -2.0..2.0, 0.5..2.0;
    value(a, b) a / b;
    keeps Keeps { inputs: &[1], outputs: &[0] };
    gradients(node, dy)
        dy.div(node.input(1)?),
        dy.mul(node.output(0)?)?.div(node.input(1)?)?.negative();
}

impl Tensor {
    /// a / b element by element; the shapes broadcast as in NumPy
    /// ([Keras](https://keras.io/api/ops/numpy/#divide-function)).
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes that differ or are no floats.
    pub fn div(&self, other: &Tensor) -> Result<Tensor> {
        Divide::of(self, other)
    }
}
