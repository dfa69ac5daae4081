//! Vectors that are looked up by number, and the way back.

use super::embedding::Embedding;
use super::parameter::parameter_setters;
use super::signature::signed;
use super::sine_position_encoding::check_positive;
use super::{Argument, Call, Config, Head, Layer, Mask, Read, Signature, Spec, WeightSpec, one};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// An [`Embedding`] that can be called in reverse, from vectors to a score for each number
/// ([Keras](https://keras.io/api/layers/core_layers/reversible_embedding/), [Press and Wolf,
/// 2016](https://arxiv.org/abs/1608.05859)).
///
/// Forward it is `embeddings[x]`, with the inputs, the output and the mask of an [`Embedding`]. In reverse, which a
/// handle [told](super::LayerRef::told) so calls, it is x·embeddingsᵀ: input `(batch, …, output_dim)`, output `(batch,
/// …, input_dim)`. With `tie_weights(false)` it is x·reverse_embeddings, and with `logit_soft_cap` c the scores y
/// become c·tanh(y / c). What comes out has no mask, as in Keras.
///
/// Weights: `embeddings` (input_dim, output_dim) and, if they are not tied, `reverse_embeddings` (output_dim,
/// input_dim) of the same initializer. Defaults: tied, no cap, uniform values of ±0.05, no mask. Vectors are looked up
/// in f32 under mixed precision, and the product in reverse is computed in half, or in `reverse_dtype`.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let ids = Input::with([10], DType::I32, None);
/// let words = ReversibleEmbedding::new(1000, 32).shared();
/// let x = words.call(&ids)?;
/// let x = Dense::new(32).relu().call(&x)?;
/// let scores = words.told("reverse", true)?.call(&x)?;
/// let model = Model::new(&ids, &scores)?;
/// assert_eq!(scores.spec().to_string(), "(None, 10, 1000)");
/// assert_eq!(model.weight_paths().next(), Some("reversible_embedding/embeddings"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReversibleEmbedding {
    pub(super) embedding: Embedding,
    pub(super) tie_weights: bool,
    reverse_dtype: Option<DType>,
    logit_soft_cap: Option<f64>,
    signature: Signature,
}

const REVERSE: &str = "reverse";
const CALL: Signature = Signature::new(&[Argument::Input("inputs"), Argument::Flag(REVERSE, false)]);

impl ReversibleEmbedding {
    /// Vectors of `output_dim` numbers for the numbers below `input_dim`.
    pub fn new(input_dim: usize, output_dim: usize) -> ReversibleEmbedding {
        ReversibleEmbedding {
            embedding: Embedding::new(input_dim, output_dim),
            tie_weights: true,
            reverse_dtype: None,
            logit_soft_cap: None,
            signature: CALL,
        }
    }

    /// Whether the way back multiplies by the same vectors; by default it does.
    pub fn tie_weights(mut self, tie_weights: bool) -> Self {
        self.tie_weights = tie_weights;
        self
    }

    /// Whether 0 stands for no number, which masks its place; by default it is a number as all others.
    pub fn mask_zero(mut self, mask_zero: bool) -> Self {
        self.embedding = self.embedding.mask_zero(mask_zero);
        self
    }

    /// What the way back is computed in, if not in what the layer is.
    pub fn reverse_dtype(mut self, reverse_dtype: DType) -> Self {
        self.reverse_dtype = Some(reverse_dtype);
        self
    }

    /// What scores are held below, smoothly and in magnitude; by default they are not.
    pub fn logit_soft_cap(mut self, logit_soft_cap: f64) -> Self {
        self.logit_soft_cap = Some(logit_soft_cap);
        self
    }

    parameter_setters!(
        [embedding] embeddings: embeddings_initializer "The vectors' first values; by default uniform in ±0.05.",
        embeddings_regularizer, embeddings_constraint
    );

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<ReversibleEmbedding> {
        let dtype =
            |name: String| DType::from_name(&name).map_err(|e| Error::Config(format!("argument `reverse_dtype`: {e}")));
        let reverse_dtype = config.find("reverse_dtype").map(|_| config.word("reverse_dtype", "")).transpose()?;
        let logit_soft_cap = config.find("logit_soft_cap").map(|_| config.number("logit_soft_cap", 0.0)).transpose()?;
        Ok(ReversibleEmbedding {
            embedding: Embedding::from_config(config)?,
            tie_weights: config.flag("tie_weights", true)?,
            reverse_dtype: reverse_dtype.map(dtype).transpose()?,
            logit_soft_cap,
            signature: CALL,
        })
    }

    fn reversed(&self) -> bool {
        self.signature.is(REVERSE)
    }

    /// Numbers and vectors.
    pub(super) fn sizes(&self) -> [usize; 2] {
        [self.embedding.input_dim, self.embedding.output_dim]
    }

    fn scores(&self, call: &Call, x: &Tensor) -> Result<Tensor> {
        let [classes, features] = self.sizes();
        let place = usize::from(!self.tie_weights);
        let (x, kernel) = match self.reverse_dtype {
            Some(dtype) => (x.cast(dtype)?, call.raw_weight(place)?.cast(dtype)?),
            None => (x.clone(), call.weight(place)?),
        };
        let shape = x.shape();
        let rows = x.reshape([shape.size() / features, features])?;
        let y = rows.matmul_with(&kernel, false, self.tie_weights)?.reshape(shape.with(shape.rank() - 1, classes)?)?;
        match self.logit_soft_cap {
            Some(cap) => y.mul_scalar(1.0 / cap)?.tanh()?.mul_scalar(cap),
            None => Ok(y),
        }
    }
}

impl Layer for ReversibleEmbedding {
    fn class_name(&self) -> &'static str {
        "ReversibleEmbedding"
    }

    fn head(&self) -> Option<Head> {
        let plain = self.reversed() && self.logit_soft_cap.is_none() && self.reverse_dtype.is_none();
        let kernel = usize::from(!self.tie_weights);
        plain.then_some(Head { kernel, transposed: self.tie_weights, bias: None })
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        self.logit_soft_cap.map_or(Ok(()), |cap| check_positive("logit_soft_cap", cap))?;
        if let Some(dtype) = self.reverse_dtype.filter(|dtype| !dtype.is_float()) {
            let message = "argument `reverse_dtype`: expected a floating-point dtype";
            return Err(Error::Config(format!("{message}, got {dtype}")));
        }
        let x = one(inputs)?;
        let forward = self.embedding.output_spec(inputs)?;
        if !self.reversed() {
            return Ok(forward);
        }
        x.require_float()?;
        let [classes, features] = self.sizes();
        if x.rank() < 2 || x.known(-1)? != features {
            return Err(Error::Input(format!("expected axis -1 of the input to be {features}, got shape {x}")));
        }
        let dims = x.dims[..x.rank() - 1].iter().copied().chain([Some(classes)]).collect();
        Ok(vec![Spec { dims, dtype: self.reverse_dtype.unwrap_or(DType::F32) }])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let mut weights = self.embedding.weights(inputs)?;
        if !self.tie_weights {
            let [classes, features] = self.sizes();
            let (shape, initializer) =
                (Shape::new(&[features, classes])?, self.embedding.embeddings.initializer.clone());
            weights.push(WeightSpec::new("reverse_embeddings", shape, initializer));
        }
        Ok(weights)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        if self.reversed() {
            Ok(Tensors::from_elem(self.scores(call, inputs[0])?, 1))
        } else {
            self.embedding.forward(call, inputs)
        }
    }

    fn kept_spec(&self, inputs: &[Spec]) -> Vec<Spec> {
        // What the hyperbolic tangent gives.
        let capped = self.reversed() && self.logit_soft_cap.is_some();
        if capped { self.output_spec(inputs).unwrap_or_default() } else { Vec::new() }
    }

    fn config(&self) -> Config {
        let mut config = self.embedding.config();
        config.insert("tie_weights".into(), json!(self.tie_weights));
        config.insert("reverse_dtype".into(), json!(self.reverse_dtype.map(DType::name)));
        config.insert("logit_soft_cap".into(), json!(self.logit_soft_cap));
        config
    }

    signed!();

    fn full_precision(&self) -> bool {
        !self.reversed() && self.embedding.full_precision()
    }

    fn supports_masking(&self) -> bool {
        self.embedding.supports_masking()
    }

    fn compute_mask(&self, output: usize, masked: &[bool]) -> Mask {
        if self.reversed() { Mask::None } else { self.embedding.compute_mask(output, masked) }
    }

    fn is_samplewise(&self, training: bool) -> bool {
        self.embedding.is_samplewise(training)
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        true
    }
}
