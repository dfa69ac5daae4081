//! BERT: an encoder of texts.

use super::{Weights, check_heads, in_layer, tokens};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{Add, Embedding, LayerNormalization, PositionEmbedding, TransformerEncoder};
use crate::model::Model;
use crate::ops::Activation;
use crate::tensor::Tensor;
use std::path::Path;

/// What BERT's normalisations add to the variance.
const EPSILON: f64 = 1e-12;

/// BERT of a `.safetensors` file with the names of Hugging Face's `BertModel` (`embeddings.word_embeddings.weight`,
/// `encoder.layer.0.attention.self.query.weight`, …, perhaps behind `bert.`): from tokens to a vector for each
/// ([Devlin et al., 2018](https://arxiv.org/abs/1810.04805)).
///
/// Inputs: `token_ids`, `segment_ids` and `padding_mask`, int32 `(batch, steps)`; 1 in the mask for tokens that count. Output `(batch,
/// steps, features)`. Sizes are those of the file's arrays; how many heads there are no array tells. Activation gelu.
///
/// ```no_run
/// use uncrumple::programs::pretrained;
/// # fn main() -> uncrumple::Result<()> {
/// let minilm = pretrained::bert("model.safetensors", 12)?;
/// println!("{}", minilm.summary());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A file that is damaged or lacks an array, features that do not divide into heads.
pub fn bert(path: impl AsRef<Path>, num_heads: usize) -> Result<Model> {
    let path = path.as_ref();
    let weights = Weights::read(path, "bert.", WORDS)?;
    let [vocabulary, width] = weights.matrix(WORDS)?;
    let [positions, _] = weights.matrix("embeddings.position_embeddings.weight")?;
    let [segments, _] = weights.matrix("embeddings.token_type_embeddings.weight")?;
    check_heads(width, num_heads, path)?;

    let (token_ids, segment_ids, padding) = (tokens("token_ids"), tokens("segment_ids"), tokens("padding_mask"));
    let words = Embedding::new(vocabulary, width).named("words").call(&token_ids)?;
    let places = PositionEmbedding::new(positions).named("positions").call(&words)?;
    let kinds = Embedding::new(segments, width).named("segments").call(&segment_ids)?;
    let sum = Add::new().call([&words, &places, &kinds])?;
    let mut x = LayerNormalization::new().epsilon(EPSILON).named("norm").call(&sum)?;
    for layer in 0..weights.layers(|layer| format!("encoder.layer.{layer}.intermediate.dense.weight")) {
        let [inner, _] = weights.matrix(&format!("encoder.layer.{layer}.intermediate.dense.weight"))?;
        let block = TransformerEncoder::new(inner, num_heads).activation(Activation::Gelu).layer_norm_epsilon(EPSILON);
        x = block.padding_mask(true).named(&format!("layer_{layer}")).call([&x, &padding])?;
    }
    weights.model(&[token_ids, segment_ids, padding], &x, weight)
}

const WORDS: &str = "embeddings.word_embeddings.weight";

/// The weight of a path of the model.
fn weight(weights: &Weights, path: &str) -> Result<Tensor> {
    let (layer, name) = match in_layer(path) {
        Some((layer, name)) => (format!("encoder.layer.{layer}."), name),
        None => ("embeddings.".into(), path),
    };
    let (part, which) = name.rsplit_once('/').ok_or_else(|| unknown(path))?;
    let part = match part {
        "words" => "word_embeddings",
        "positions" => "position_embeddings",
        "segments" => "token_type_embeddings",
        "norm" => "LayerNorm",
        "_self_attention_layer/query_dense" => "attention.self.query",
        "_self_attention_layer/key_dense" => "attention.self.key",
        "_self_attention_layer/value_dense" => "attention.self.value",
        "_self_attention_layer/output_dense" => "attention.output.dense",
        "_self_attention_layer_norm" => "attention.output.LayerNorm",
        "_feedforward_intermediate_dense" => "intermediate.dense",
        "_feedforward_output_dense" => "output.dense",
        "_feedforward_layer_norm" => "output.LayerNorm",
        _ => return Err(unknown(path)),
    };
    let kind = if matches!(which, "bias" | "beta") { "bias" } else { "weight" };
    let tensor = weights.tensor(&format!("{layer}{part}.{kind}"))?;
    // PyTorch's kernels are (outputs, inputs).
    if which == "kernel" { tensor.transpose(&[1, 0]) } else { Ok(tensor) }
}

fn unknown(path: &str) -> Error {
    Error::Internal(format!("the model has a weight `{path}` that files do not name"))
}

/// Vectors of texts, of length 1, from the vectors `(batch, steps, features)` of their tokens and their padding mask: the mean of
/// those that count, as sentence transformers take it ([Reimers and Gurevych, 2019](https://arxiv.org/abs/1908.10084)). The cosine
/// of two texts is the product of their vectors.
///
/// # Errors
/// Shapes that do not fit.
pub fn sentence_embeddings(tokens: &Tensor, padding_mask: &Tensor) -> Result<Tensor> {
    let shape = tokens.shape();
    let counts = padding_mask.cast(DType::F32)?.reshape(shape.with(2, 1)?)?;
    let floor = Tensor::full(&tokens.device(), (), DType::F32, 1e-9)?;
    let mean = tokens.mul(&counts)?.sum(&[1], false)?.div(&counts.sum(&[1], false)?.maximum(&floor)?)?;
    let length = mean.square()?.sum(&[-1], true)?.sqrt()?.maximum(&floor)?;
    mean.div(&length)
}
