//! A layer of a transformer's encoder.

use super::attend::{Sight, as_bool, attends, check_mask, scores_spec};
use super::signature::told;
use super::transformer::{Attention, Block, NORM, Stream, block_setters};
use super::traversal::first;
use super::{Argument, Call, Config, Layer, Signature, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};

/// A layer of a transformer's encoder ([KerasHub](https://keras.io/keras_hub/api/modeling_layers/transformer_encoder/),
/// [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)): with a = x + attention(x) and each sum normalised, a +
/// dense(activation(dense(a))).
///
/// Input `(batch, steps, features)`, output of the same shape, and with `return_attention_scores` the probabilities
/// `(batch, heads, steps, steps)`. With `padding_mask` a mask `(batch, steps)` follows the input, of the steps that
/// count, and with `attention_mask` one `(batch, steps, steps)` of which keys each query sees; 0 or false hides. They
/// are combined with the mask that flows in with the input, and the output has that one. Of a query that sees no key
/// [`HeadedAttention`](super::HeadedAttention) tells.
///
/// Weights: those of a [`MultiHeadAttention`](super::MultiHeadAttention) of heads of the size features / num_heads
/// under `_self_attention_layer/`, then `_self_attention_layer_norm/gamma` and `beta`, `_feedforward_layer_norm/gamma`
/// and `beta`, `_feedforward_intermediate_dense/kernel` (features, intermediate_dim) and `bias`,
/// `_feedforward_output_dense/kernel` and `bias`. Defaults: no dropout, relu, epsilon 1e-5, sums normalised, kernels
/// Glorot uniform, biases zeros. Normalisations compute in f32 under mixed precision.
///
/// Model files name it `keras_hub>TransformerEncoder`.
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    block: Block,
    signature: Signature,
}

const CALL: Signature = Signature::new(&[
    Argument::Input("inputs"),
    Argument::Optional("padding_mask"),
    Argument::Optional("attention_mask"),
    Argument::Other("training"),
    Argument::Flag("return_attention_scores", false),
]);

impl TransformerEncoder {
    /// A layer with `intermediate_dim` units between its dense layers, and so many heads.
    pub fn new(intermediate_dim: usize, num_heads: usize) -> TransformerEncoder {
        TransformerEncoder { block: Block::new(intermediate_dim, num_heads), signature: CALL }
    }

    block_setters!();

    told! {
        /// Whether a mask of the steps that count follows the input; by default not.
        padding_mask;
        /// Whether the last input is a mask of which keys each query sees; by default not.
        attention_mask;
        /// Whether the probabilities are a second output; by default not.
        /// [`LayerRef::call_all`](crate::layers::LayerRef::call_all) returns both. Keras opens no model file with such
        /// a layer, whose calls on symbols have one output there.
        return_attention_scores;
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<TransformerEncoder> {
        Ok(TransformerEncoder { block: Block::read(config)?, signature: CALL })
    }

    fn scores(&self) -> bool {
        self.signature.is("return_attention_scores")
    }
}

/// A mask that is an input, of the name that the signature has for it.
pub(super) fn given<'a, T>(signature: &Signature, inputs: &'a [T], name: &str) -> Option<&'a T> {
    signature.place(name, inputs.len()).and_then(|place| inputs.get(place))
}

/// Checks the masks of an attention that are inputs.
pub(super) fn check_masks(
    [padding, attention]: [Option<&Spec>; 2],
    heads: usize,
    query: &Spec,
    key: &Spec,
) -> Result<()> {
    if let Some(padding) = padding {
        let fits = match padding.dims[..] {
            [_, steps] => steps.zip(key.dims[1]).is_none_or(|(a, b)| a == b),
            _ => false,
        };
        if !fits {
            let expected = Spec { dims: key.dims[..2].to_vec(), dtype: padding.dtype };
            return Err(Error::Input(format!("expected a padding mask of shape {expected}, got shape {padding}")));
        }
    }
    match attention {
        Some(mask) if mask.rank() == 3 => check_mask(mask, heads, query, key),
        Some(mask) => Err(Error::Input(format!("expected an attention mask of 3 axes, got shape {mask}"))),
        None => Ok(()),
    }
}

impl Layer for TransformerEncoder {
    fn class_name(&self) -> &'static str {
        "TransformerEncoder"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = first(inputs)?;
        if self.signature.required(inputs.len()) != 1 || self.signature.names(inputs.len()).len() != inputs.len() {
            let message = "expected an input and behind it the masks that the layer was told of";
            return Err(Error::Input(format!("{message}, got {} inputs", inputs.len())));
        }
        self.block.check(x)?;
        let masks = ["padding_mask", "attention_mask"].map(|name| given(&self.signature, inputs, name));
        check_masks(masks, self.block.num_heads, x, x)?;
        let scores = self.scores().then(|| scores_spec(Some(self.block.num_heads), x, x));
        Ok(std::iter::once(x.clone()).chain(scores).collect())
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let features = self.block.check(first(inputs)?)?;
        let mut weights = self.block.attention_weights("_self_attention", features, features)?;
        weights.extend(self.block.norm_weights("_feedforward_layer_norm", features)?);
        weights.extend(self.block.dense_weights(features)?);
        Ok(weights)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = inputs[0];
        let padding = given(&self.signature, inputs, "padding_mask").map(|mask| as_bool(mask)).transpose()?;
        let attention = given(&self.signature, inputs, "attention_mask").copied();
        let sight = Sight::new(false).keys(call.mask(0))?.keys(padding.as_ref())?.given(attention)?;
        let of = Attention { value: None, sight, query_mask: call.mask(0), scores: self.scores() };
        let norm = self.block.heads(x.shape()[2]).count() + NORM;
        let (x, scores) = self.block.attention(call, 0, Stream::of(x), of)?;
        let y = self.block.feed_forward(call, norm + NORM, norm, x)?;
        Ok(std::iter::once(y).chain(scores).collect())
    }

    fn kept_spec(&self, inputs: &[Spec]) -> Vec<Spec> {
        let Some(Ok(features)) = inputs.first().map(|x| self.block.check(x)) else { return Vec::new() };
        let x = &inputs[0];
        [self.block.heads(features).kept(x, x, self.scores()), self.block.kept(x)].concat()
    }

    fn config(&self) -> Config {
        self.block.config()
    }

    attends!();
}
