//! GPT-2: a writer of texts.

use super::{Weights, check_heads, in_layer, tokens};
use crate::error::{Error, Result};
use crate::layers::{Add, LayerNormalization, PositionEmbedding, ReversibleEmbedding, TransformerDecoder};
use crate::model::Model;
use crate::ops::Activation;
use crate::tensor::Tensor;
use std::path::Path;

/// What GPT-2's normalisations add to the variance.
const EPSILON: f64 = 1e-5;

/// GPT-2 of a `.safetensors` file with the names of Hugging Face's `GPT2Model` (`wte.weight`, `h.0.attn.c_attn.weight`, …, perhaps
/// behind `transformer.`): from tokens to the logits of the token behind each
/// ([Radford et al., 2019](https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf)).
///
/// Input: `token_ids`, int32 `(batch, steps)`; output `(batch, steps, tokens)`. Sizes are those of the file's arrays; how many heads there
/// are no array tells: GPT-2's have 64 features each. The head is the embedding's transpose. Activation gelu by way of tanh.
///
/// # Errors
/// A file that is damaged or lacks an array, features that do not divide into heads.
pub fn gpt2(path: impl AsRef<Path>, num_heads: usize) -> Result<Model> {
    let path = path.as_ref();
    let weights = Weights::read(path, "transformer.", WORDS)?;
    let ([vocabulary, width], [positions, _]) = (weights.matrix(WORDS)?, weights.matrix("wpe.weight")?);
    check_heads(width, num_heads, path)?;

    let token_ids = tokens("token_ids");
    let words = ReversibleEmbedding::new(vocabulary, width).named("words");
    let x = words.call(&token_ids)?;
    let places = PositionEmbedding::new(positions).named("positions").call(&x)?;
    let mut x = Add::new().call([&x, &places])?;
    for layer in 0..weights.layers(|layer| format!("h.{layer}.mlp.c_fc.weight")) {
        let [_, inner] = weights.matrix(&format!("h.{layer}.mlp.c_fc.weight"))?;
        let block = TransformerDecoder::new(inner, num_heads).activation(Activation::GeluTanh);
        let block = block.layer_norm_epsilon(EPSILON).normalize_first(true);
        x = block.named(&format!("layer_{layer}")).call(&x)?;
    }
    let x = LayerNormalization::new().epsilon(EPSILON).named("norm").call(&x)?;
    weights.model(&[token_ids], &words.told("reverse", true)?.call(&x)?, |weights, path| weight(weights, path, width))
}

const WORDS: &str = "wte.weight";

/// The weight of a path of the model.
fn weight(weights: &Weights, path: &str, width: usize) -> Result<Tensor> {
    let unknown = || Error::Internal(format!("the model has a weight `{path}` that files do not name"));
    let (layer, name) = match in_layer(path) {
        Some((layer, name)) => (format!("h.{layer}."), name),
        None => (String::new(), path),
    };
    let (part, which) = name.rsplit_once('/').ok_or_else(unknown)?;
    // Query, key and value are one array, one beside the other.
    let (part, third) = match part {
        "words" => ("wte", None),
        "positions" => ("wpe", None),
        "norm" => ("ln_f", None),
        "_self_attention_layer/query_dense" => ("attn.c_attn", Some(0)),
        "_self_attention_layer/key_dense" => ("attn.c_attn", Some(1)),
        "_self_attention_layer/value_dense" => ("attn.c_attn", Some(2)),
        "_self_attention_layer/output_dense" => ("attn.c_proj", None),
        "_self_attention_layer_norm" => ("ln_1", None),
        "_feedforward_intermediate_dense" => ("mlp.c_fc", None),
        "_feedforward_output_dense" => ("mlp.c_proj", None),
        "_feedforward_layer_norm" => ("ln_2", None),
        _ => return Err(unknown()),
    };
    let kind = if matches!(which, "bias" | "beta") { "bias" } else { "weight" };
    let tensor = weights.tensor(&format!("{layer}{part}.{kind}"))?;
    match third {
        Some(third) if tensor.shape().last() == 3 * width => tensor.slice(-1, third * width..(third + 1) * width),
        _ => Ok(tensor),
    }
}
