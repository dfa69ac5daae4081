//! Samples of another shape.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;
use smallvec::SmallVec;

/// Each sample under another shape, its elements in the same order
/// ([Keras](https://keras.io/api/layers/reshaping_layers/reshape/)).
///
/// Input `(batch, …)` of any dtype, output `(batch, target…)`; one extent of the target may be -1, which follows from
/// the others. No weights.
#[derive(Clone, Debug)]
pub struct Reshape {
    target: Vec<i64>,
}

impl Reshape {
    /// A layer to samples of this shape, the batch not included: `Reshape::new([28, 28, 1])`, `Reshape::new([-1, 4])`.
    pub fn new(target_shape: impl Into<Vec<i64>>) -> Reshape {
        Reshape { target: target_shape.into() }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Reshape> {
        match config.integers("target_shape")? {
            Some(target) => Ok(Reshape { target }),
            None => Err(Error::Config("argument `target_shape` is missing".into())),
        }
    }

    /// The extents for a sample of `size` elements; `None` stands for one that is not known.
    fn resolve(&self, size: Option<usize>) -> Result<SmallVec<[Option<usize>; MAX_RANK]>> {
        let known = self.target.iter().filter_map(|&d| usize::try_from(d).ok());
        let product = known.clone().try_fold(1usize, |product, d| product.checked_mul(d));
        let open = self.target.len() - known.count();
        let Some(product) = product.filter(|_| open <= 1 && self.target.iter().all(|&d| d >= -1)) else {
            let message = format!("expected extents of which one at most is -1, got {:?}", self.target);
            return Err(Error::Config(format!("argument `target_shape`: {message}")));
        };
        let rest = match size {
            Some(size) if open == 1 && product != 0 && size % product == 0 => Some(size / product),
            Some(size) if open == 0 && size == product => None,
            Some(size) => {
                let message = format!("expected samples that {:?} holds, got samples of {size} elements", self.target);
                return Err(Error::Input(message));
            }
            None => None,
        };
        Ok(self.target.iter().map(|&d| usize::try_from(d).ok().or(rest)).collect())
    }
}

impl Layer for Reshape {
    fn class_name(&self) -> &'static str {
        "Reshape"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        if self.target.len() >= MAX_RANK {
            let message = format!("expected fewer than {MAX_RANK} extents, got {}", self.target.len());
            return Err(Error::Config(format!("argument `target_shape`: {message}")));
        }
        let sample = self.resolve(x.sample_size()?).map_err(|e| match e {
            Error::Input(message) => Error::Input(format!("{message}, shape {x}")),
            other => other,
        })?;
        Ok(vec![Spec { dims: std::iter::once(x.dims[0]).chain(sample).collect(), dtype: x.dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let shape = inputs[0].shape();
        let sample = self.resolve(Some(shape[1..].iter().product()))?;
        let dims: SmallVec<[usize; MAX_RANK]> = std::iter::once(shape[0]).chain(sample.into_iter().flatten()).collect();
        Ok(Tensors::from_elem(inputs[0].reshape(Shape::new(&dims)?)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "target_shape": self.target }))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
