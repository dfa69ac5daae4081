//! Vectors that are learnt for positions.

use super::positions::{check_known, part, positions, steps_of};
use super::signature::{signed, told};
use super::sine_position_encoding::CALL;
use super::{Call, Config, Layer, Read, Signature, Spec, WeightSpec, in_precision, object, one};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Initializer};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// A vector for each position, `embeddings[start_index + step]`
/// ([KerasHub](https://keras.io/keras_hub/api/modeling_layers/position_embedding/), [Devlin et al.,
/// 2019](https://arxiv.org/abs/1810.04805)).
///
/// Input `(batch, …, steps, features)`, of which only the shape counts, so that no gradient flows to it; output of the
/// same shape, to be added to the input. There are `sequence_length` positions, so at most as many steps. Weight:
/// `embeddings` (sequence_length, features). Defaults: Glorot uniform, `start_index` 0.
///
/// Model files name it `keras_hub>PositionEmbedding`.
#[derive(Clone, Debug)]
pub struct PositionEmbedding {
    pub(super) sequence_length: usize,
    pub(super) initializer: Box<dyn Initializer>,
    pub(super) signature: Signature,
}

impl PositionEmbedding {
    /// Vectors for so many positions.
    pub fn new(sequence_length: usize) -> PositionEmbedding {
        PositionEmbedding { sequence_length, initializer: Box::new(GlorotUniform), signature: CALL }
    }

    /// The vectors' first values; by default Glorot uniform.
    pub fn initializer(mut self, initializer: impl Initializer) -> Self {
        self.initializer = Box::new(initializer);
        self
    }

    told! {
        /// The position of the first step; by default 0.
        number start_index;
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<PositionEmbedding> {
        let initializer = config.initializer("initializer", "GlorotUniform")?;
        Ok(PositionEmbedding { initializer, ..PositionEmbedding::new(config.size("sequence_length")?) })
    }

    /// Checks the argument and so many steps, if they are known.
    pub(super) fn check(&self, steps: Option<usize>) -> Result<()> {
        if self.sequence_length == 0 {
            return Err(Error::Config("argument `sequence_length`: expected a positive integer, got 0".into()));
        }
        check_known(&positions(&self.signature, 0, steps.unwrap_or(0))?, self.sequence_length)
    }

    /// The weight, for so many features.
    pub(super) fn weight(&self, features: usize) -> Result<WeightSpec> {
        let shape = Shape::new(&[self.sequence_length, features])?;
        Ok(WeightSpec::new("embeddings", shape, self.initializer.clone()))
    }

    /// The vectors of so many steps behind `before` others, in the dtype of the weight.
    pub(super) fn rows(&self, embeddings: &Tensor, before: usize, steps: usize) -> Result<Tensor> {
        let positions = positions(&self.signature, before, steps)?;
        check_known(&positions, self.sequence_length)?;
        part(embeddings, positions)
    }
}

impl Layer for PositionEmbedding {
    fn class_name(&self) -> &'static str {
        "PositionEmbedding"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        self.check(steps_of(x)?)?;
        Ok(vec![Spec { dims: x.dims.clone(), dtype: DType::F32 }])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![self.weight(one(inputs)?.known(-1)?)?])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let shape = inputs[0].shape();
        let rows = self.rows(call.raw_weight(0)?, call.first_step(), shape[shape.rank() - 2])?;
        Ok(Tensors::from_elem(in_precision(&rows, call.compute_dtype())?.broadcast_to(shape)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({"sequence_length": self.sequence_length, "initializer": self.initializer.serialized()}))
    }

    signed!();

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}
