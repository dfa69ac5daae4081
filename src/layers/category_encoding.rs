//! Categories as vectors.

use super::encoding::Output;
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::ops::whole;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// Numbers of categories as vectors of `num_tokens` elements
/// ([Keras](https://keras.io/api/layers/preprocessing_layers/categorical/category_encoding/)).
///
/// Input `(batch, …)` of whole numbers, of any dtype. `multi_hot` and `count` take the last axis together, to `(batch,
/// …, num_tokens)` without it: 1 at each category that occurs, or how often it does. `one_hot` gives each number a
/// vector, `(batch, …, num_tokens)`, and replaces a last axis of extent 1. A number out of range, or NaN, is nowhere,
/// where Keras ends with an error. Default: `multi_hot`. No weights. Output float32.
#[derive(Clone, Copy, Debug)]
pub struct CategoryEncoding {
    num_tokens: usize,
    output: Output,
}

impl CategoryEncoding {
    /// The layer for categories from 0 to `num_tokens` − 1.
    pub fn new(num_tokens: usize) -> CategoryEncoding {
        CategoryEncoding { num_tokens, output: Output::MultiHot }
    }

    /// A vector for each number.
    pub fn one_hot(mut self) -> Self {
        self.output = Output::OneHot;
        self
    }

    /// How often each category occurs.
    pub fn count(mut self) -> Self {
        self.output = Output::Count;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<CategoryEncoding> {
        config.refuse(&["sparse"])?;
        let output = Output::from_name(&config.word("output_mode", "multi_hot")?)?;
        if output == Output::Int {
            return Err(Error::Config("argument `output_mode`: expected one_hot, multi_hot or count, got int".into()));
        }
        Ok(CategoryEncoding { num_tokens: config.size("num_tokens")?, output })
    }
}

impl Layer for CategoryEncoding {
    fn class_name(&self) -> &'static str {
        "CategoryEncoding"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        if self.num_tokens == 0 {
            return Err(Error::Config("argument `num_tokens`: expected at least 1, got 0".into()));
        }
        Ok(vec![self.output.spec(one(inputs)?, self.num_tokens)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_elem(self.output.encode(&whole(inputs[0])?, self.num_tokens)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "num_tokens": self.num_tokens, "output_mode": self.output.name() }))
    }

    fn full_precision(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
