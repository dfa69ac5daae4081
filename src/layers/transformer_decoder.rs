//! A layer of a transformer's decoder.

use super::attend::{Sight, all_steps, as_bool, attends};
use super::signature::told;
use super::transformer::{Attention, Block, DENSE, NORM, Stream, block_setters};
use super::transformer_encoder::{check_masks, given};
use super::{Argument, Call, Config, Layer, Signature, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};

/// A layer of a transformer's decoder ([KerasHub](https://keras.io/keras_hub/api/modeling_layers/transformer_decoder/),
/// [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762)): causal attention of a sequence to itself, attention to an
/// encoder's sequence if there is one, and two dense layers, each with a residual and a normalisation as in
/// [`TransformerEncoder`](super::TransformerEncoder).
///
/// Inputs: the decoder's sequence `(batch, steps, features)`, then the encoder's `(batch, other steps, other features)`
/// if it is attended to, then the masks that the layer was told of, in the order of Keras: `decoder_padding_mask`
/// `(batch, steps)`, `decoder_attention_mask` `(batch, steps, steps)`, `encoder_padding_mask` `(batch, other steps)`,
/// `encoder_attention_mask` `(batch, steps, other steps)`; 0 or false hides. A padding mask takes the place of the mask
/// that flows in with its sequence. Output: shape and mask of the decoder's sequence. Of a query that sees no key
/// [`HeadedAttention`](super::HeadedAttention) tells.
///
/// Weights: as those of an encoder's layer, `_self_attention_layer/…`, `_self_attention_layer_norm/…`, with an
/// encoder's sequence `_cross_attention_layer/…` and `_cross_attention_layer_norm/…`,
/// `_feedforward_intermediate_dense/…`, `_feedforward_output_dense/…`, `_feedforward_layer_norm/…`. Defaults: causal,
/// and those of an encoder's layer.
///
/// Model files name it `keras_hub>TransformerDecoder`.
#[derive(Clone, Debug)]
pub struct TransformerDecoder {
    block: Block,
    signature: Signature,
}

const CALL: Signature = Signature::new(&[
    Argument::Input("decoder_sequence"),
    Argument::Input("encoder_sequence"),
    Argument::Optional("decoder_padding_mask"),
    Argument::Optional("decoder_attention_mask"),
    Argument::Optional("encoder_padding_mask"),
    Argument::Optional("encoder_attention_mask"),
    Argument::Other("self_attention_cache"),
    Argument::Other("self_attention_cache_update_index"),
    Argument::Other("cross_attention_cache"),
    Argument::Other("cross_attention_cache_update_index"),
    Argument::Flag("use_causal_mask", true),
    Argument::Other("training"),
]);

const DECODER_MASKS: [&str; 2] = ["decoder_padding_mask", "decoder_attention_mask"];
const ENCODER_MASKS: [&str; 2] = ["encoder_padding_mask", "encoder_attention_mask"];

impl TransformerDecoder {
    /// A layer with `intermediate_dim` units between its dense layers, and so many heads.
    pub fn new(intermediate_dim: usize, num_heads: usize) -> TransformerDecoder {
        TransformerDecoder { block: Block::new(intermediate_dim, num_heads), signature: CALL }
    }

    block_setters!();

    told! {
        /// Whether a mask of the decoder's steps that count is an input; by default not.
        decoder_padding_mask;
        /// Whether a mask of which of its own steps each step of the decoder sees is an input; by default not.
        decoder_attention_mask;
        /// Whether a mask of the encoder's steps that count is an input; by default not.
        encoder_padding_mask;
        /// Whether a mask of which of the encoder's steps each step of the decoder sees is an input; by default not.
        encoder_attention_mask;
        /// Whether a step of the decoder sees none of its sequence behind its own place; by default so.
        use_causal_mask;
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<TransformerDecoder> {
        Ok(TransformerDecoder { block: Block::read(config)?, signature: CALL })
    }

    /// The decoder's sequence, and the encoder's if there is one.
    fn split<'a, T>(&self, inputs: &'a [T]) -> Result<(&'a T, Option<&'a T>)> {
        let sequences = &inputs[..self.signature.required(inputs.len())];
        let whole = self.signature.names(inputs.len()).len() == inputs.len();
        match sequences {
            [decoder] if whole => Ok((decoder, None)),
            [decoder, encoder] if whole => Ok((decoder, Some(encoder))),
            _ => {
                let message = "expected a decoder's sequence, an encoder's if there is one, and the masks that the layer was \
                               told of";
                Err(Error::Input(format!("{message}, got {} inputs", inputs.len())))
            }
        }
    }

    /// What an attention sees by the masks of these names, where that of the steps takes the place of the sequence's
    /// own.
    fn sight(
        &self,
        inputs: &[&Tensor],
        [padding, attention]: [&str; 2],
        own: Option<&Tensor>,
        causal: bool,
    ) -> Result<Sight> {
        let padding = given(&self.signature, inputs, padding).map(|mask| as_bool(mask)).transpose()?;
        let attention = given(&self.signature, inputs, attention).copied();
        Sight::new(causal).keys(padding.as_ref().or(own))?.given(attention)
    }
}

impl Layer for TransformerDecoder {
    fn class_name(&self) -> &'static str {
        "TransformerDecoder"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let (decoder, encoder) = self.split(inputs)?;
        self.block.check(decoder)?;
        let masks = |names: [&str; 2]| names.map(|name| given(&self.signature, inputs, name));
        check_masks(masks(DECODER_MASKS), self.block.num_heads, decoder, decoder)?;
        match encoder {
            Some(encoder) => {
                super::attend::check(&[decoder.clone(), encoder.clone()])?;
                check_masks(masks(ENCODER_MASKS), self.block.num_heads, decoder, encoder)?;
            }
            None if masks(ENCODER_MASKS) != [None, None] => {
                return Err(Error::Input("expected an encoder's sequence, whose masks there are".into()));
            }
            None => {}
        }
        Ok(vec![decoder.clone()])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let (decoder, encoder) = self.split(inputs)?;
        let features = self.block.check(decoder)?;
        let mut weights = self.block.attention_weights("_self_attention", features, features)?;
        if let Some(encoder) = encoder {
            weights.extend(self.block.attention_weights("_cross_attention", features, encoder.known(-1)?)?);
        }
        weights.extend(self.block.dense_weights(features)?);
        weights.extend(self.block.norm_weights("_feedforward_layer_norm", features)?);
        Ok(weights)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (&x, encoder) = self.split(inputs)?;
        let part = self.block.heads(x.shape()[2]).count() + NORM;
        let own = all_steps(call, 0, call.mask(0))?;
        let sight = self.sight(inputs, DECODER_MASKS, own.as_ref(), self.signature.is("use_causal_mask"))?;
        let of = Attention { value: None, sight, query_mask: None, scores: false };
        let (mut x, _) = self.block.attention(call, 0, Stream::of(x), of)?;
        let mut dense = part;
        if let Some(&value) = encoder {
            let sight = self.sight(inputs, ENCODER_MASKS, call.mask(1), false)?;
            let of = Attention { value: Some(value), sight, query_mask: None, scores: false };
            (x, _) = self.block.attention(call, part, x, of)?;
            dense += part;
        }
        Ok(Tensors::from_elem(self.block.feed_forward(call, dense, dense + DENSE, x)?, 1))
    }

    fn kept_spec(&self, inputs: &[Spec]) -> Vec<Spec> {
        let Ok((x, encoder)) = self.split(inputs) else { return Vec::new() };
        let Ok(features) = self.block.check(x) else { return Vec::new() };
        let heads = self.block.heads(features);
        // What stands before and behind the normalisation is kept of each attention.
        let cross = encoder.map(|encoder| [heads.kept(x, encoder, false), vec![x.clone(); 2]].concat());
        [heads.kept(x, x, false), cross.unwrap_or_default(), self.block.kept(x)].concat()
    }

    fn config(&self) -> Config {
        self.block.config()
    }

    attends!();

    fn stepwise(&self, grows: &[bool]) -> bool {
        let masks = DECODER_MASKS.iter().chain(&ENCODER_MASKS[1..]).any(|name| self.signature.is(name));
        grows[0] && !grows[1..].contains(&true) && self.signature.is("use_causal_mask") && !masks
    }
}
