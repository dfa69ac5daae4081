//! Addition.

use super::binary::binary;
use crate::error::Result;
use crate::tensor::{Keeps, Tensor};

binary! {
    /// a + b.
    AddFunction, Add, "add", over -2.0..2.0, -2.0..2.0;
    value(a, b) a + b;
    keeps Keeps::NOTHING;
    gradients(node, dy) Ok(dy.clone()), Ok(dy.clone());
}

impl Tensor {
    /// a + b element by element; the shapes broadcast as in NumPy
    /// ([Keras](https://keras.io/api/ops/numpy/#add-function)).
    ///
    /// # Errors
    /// Shapes that do not broadcast, dtypes that differ or are no floats.
    pub fn add(&self, other: &Tensor) -> Result<Tensor> {
        Add::of(self, other)
    }
}
