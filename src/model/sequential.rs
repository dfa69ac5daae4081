//! A chain of layers: a short way to write a model, not a second kind of one.

use super::Model;
use crate::dtype::DType;
use crate::error::Result;
use crate::layers::{Input, Layer, LayerRef, Symbol};
use crate::shape::IntoShape;

/// A chain of layers on one input.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let model = Sequential::new([13]).add(Dense::new(64).relu()).add(Dense::new(1)).build()?;
/// # Ok(())
/// # }
/// ```
pub struct Sequential {
    input: Symbol,
    output: Result<Symbol>,
}

impl Sequential {
    /// A chain that starts with `float32` samples of this shape.
    pub fn new(sample: impl IntoShape) -> Sequential {
        Sequential::with(sample, DType::F32)
    }

    /// A chain that starts with samples of this shape and dtype.
    pub fn with(sample: impl IntoShape, dtype: DType) -> Sequential {
        Sequential::on(Input::with(sample, dtype, None))
    }

    /// A chain that starts with this input, such as one of [`Input::batch_shape`].
    pub fn on(input: Symbol) -> Sequential {
        Sequential { output: Ok(input.clone()), input }
    }

    #[allow(clippy::should_implement_trait)]
    /// The chain with one more layer. An error waits for [`Sequential::build`].
    pub fn add(self, layer: impl Into<LayerRef>) -> Sequential {
        let output = self.output.and_then(|x| layer.into().call(&x));
        Sequential { output, ..self }
    }

    /// The model.
    ///
    /// # Errors
    /// The first one that a layer answered.
    pub fn build(self) -> Result<Model> {
        let mut model = Model::new(&self.input, &self.output?)?.named("sequential");
        model.sequential = true;
        Ok(model)
    }
}

impl<L: Layer> From<L> for LayerRef {
    fn from(layer: L) -> LayerRef {
        LayerRef::new(layer)
    }
}
