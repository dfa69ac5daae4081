//! Vectors of tokens and of their positions, added.

use super::position_embedding::PositionEmbedding;
use super::reversible_embedding::ReversibleEmbedding;
use super::{Call, Config, Layer, Mask, Read, Signature, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::initializers::{Initializer, RandomUniform};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;
use std::sync::Arc;

/// A vector for each token and one for its position, added
/// ([KerasHub](https://keras.io/keras_hub/api/modeling_layers/token_and_position_embedding/)).
///
/// Input `(batch, …, steps)` of whole numbers from 0 to `vocabulary_size` − 1 as an [`Embedding`](super::Embedding)
/// takes them, at most `sequence_length` steps; output `(batch, …, steps, embedding_dim)`. With `mask_zero` the output
/// has a mask that is false where the number is 0. The first step has the position `start_index`.
///
/// Weights: `token_embedding/embeddings` (vocabulary_size, embedding_dim), `token_embedding/reverse_embeddings`
/// (embedding_dim, vocabulary_size) if they are not tied, `position_embedding/embeddings` (sequence_length,
/// embedding_dim). Those in reverse serve calls of Keras's `layer.token_embedding`; the layer itself never reads them,
/// so that a model which has them (`tie_weights(false)`) cannot be trained here: take a [`ReversibleEmbedding`] beside a
/// [`PositionEmbedding`], which is called both ways. Defaults: tied, uniform values of ±0.05, no mask, 0. Under mixed
/// precision vectors are looked up and added in f32.
///
/// Model files name it `keras_hub>TokenAndPositionEmbedding`.
#[derive(Clone, Debug)]
pub struct TokenAndPositionEmbedding {
    token: ReversibleEmbedding,
    position: PositionEmbedding,
}

impl TokenAndPositionEmbedding {
    /// Vectors of `embedding_dim` numbers for so many tokens and positions.
    pub fn new(vocabulary_size: usize, sequence_length: usize, embedding_dim: usize) -> TokenAndPositionEmbedding {
        TokenAndPositionEmbedding {
            token: ReversibleEmbedding::new(vocabulary_size, embedding_dim),
            position: PositionEmbedding::new(sequence_length),
        }
        .embeddings_initializer(RandomUniform::new(-0.05, 0.05))
    }

    /// Whether there are no other vectors for the way back; by default there are none.
    pub fn tie_weights(mut self, tie_weights: bool) -> Self {
        self.token = self.token.tie_weights(tie_weights);
        self
    }

    /// The first values of all vectors; by default uniform in ±0.05.
    pub fn embeddings_initializer(mut self, initializer: impl Initializer) -> Self {
        self.position.initializer = initializer.boxed();
        self.token = self.token.embeddings_initializer(initializer);
        self
    }

    /// Whether 0 stands for no token, which masks its place; by default it is a token as all others.
    pub fn mask_zero(mut self, mask_zero: bool) -> Self {
        self.token = self.token.mask_zero(mask_zero);
        self
    }

    /// The position of the first step; by default 0.
    pub fn start_index(mut self, start_index: u32) -> Self {
        self.position = self.position.start_index(start_index);
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<TokenAndPositionEmbedding> {
        let [tokens, positions, features] =
            ["vocabulary_size", "sequence_length", "embedding_dim"].map(|name| config.size(name));
        let mut layer = TokenAndPositionEmbedding::new(tokens?, positions?, features?)
            .tie_weights(config.flag("tie_weights", true)?)
            .mask_zero(config.flag("mask_zero", false)?);
        let initializer = config.initializer("embeddings_initializer", "uniform")?;
        layer.position.initializer = initializer.clone();
        layer.token.embedding.embeddings.initializer = initializer;
        Ok(layer)
    }
}

impl Layer for TokenAndPositionEmbedding {
    fn class_name(&self) -> &'static str {
        "TokenAndPositionEmbedding"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let [tokens, features] = self.token.sizes();
        for (name, value) in [("vocabulary_size", tokens), ("embedding_dim", features)] {
            if value == 0 {
                return Err(Error::Config(format!("argument `{name}`: expected a positive integer, got 0")));
            }
        }
        let x = one(inputs)?;
        if x.rank() < 2 {
            return Err(Error::Input(format!("expected at least 2 axes (batch, steps), got shape {x}")));
        }
        self.position.check(x.dims[x.rank() - 1])?;
        self.token.output_spec(inputs)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let within = |name: &str, weight: WeightSpec| WeightSpec { name: format!("{name}/{}", weight.name), ..weight };
        let [_, features] = self.token.sizes();
        let tokens = self.token.weights(inputs)?.into_iter().map(|weight| within("token_embedding", weight));
        Ok(tokens.chain([within("position_embedding", self.position.weight(features)?)]).collect())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (weight, steps) = (call.raw_weight(call.weights.len() - 1)?, inputs[0].shape().last());
        let positions = self.position.rows(weight, call.first_step(), steps)?;
        let tokens = self.token.forward(call, inputs)?;
        tokens.iter().map(|tokens| tokens.add(&positions)).collect()
    }

    fn config(&self) -> Config {
        let [tokens, features] = self.token.sizes();
        object(json!({
            "vocabulary_size": tokens,
            "sequence_length": self.position.sequence_length,
            "embedding_dim": features,
            "tie_weights": self.token.tie_weights,
            "embeddings_initializer": self.position.initializer.serialized(),
            "mask_zero": self.token.supports_masking(),
        }))
    }

    fn signature(&self) -> Signature {
        self.position.signature()
    }

    fn with_signature(&self, signature: Signature) -> Option<Arc<dyn Layer>> {
        let position = PositionEmbedding { signature, ..self.position.clone() };
        Some(Arc::new(TokenAndPositionEmbedding { position, ..self.clone() }))
    }

    fn full_precision(&self) -> bool {
        self.token.full_precision()
    }

    fn supports_masking(&self) -> bool {
        self.token.supports_masking()
    }

    fn compute_mask(&self, output: usize, masked: &[bool]) -> Mask {
        self.token.compute_mask(output, masked)
    }

    fn is_samplewise(&self, training: bool) -> bool {
        self.token.is_samplewise(training)
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}
