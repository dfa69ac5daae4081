//! Attention of several heads, of each kind.

use super::attend::{Sight, all_steps, attends, check, check_mask, scores_spec};
use super::heads::{Attended, Heads, Projections};
use super::parameter::parameter_setters;
use super::signature::told;
use super::{Argument, Call, Config, Layer, Parameter, Read, Signature, Spec, WeightSpec, object};
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Zeros};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};
use std::fmt;

/// What tells the layers apart that are attention of several heads.
pub trait HeadKind: Clone + fmt::Debug + Send + Sync + 'static {
    /// Keras's class.
    const CLASS: &'static str;

    /// What its attributes for the projections begin with.
    const PREFIX: &'static str;

    /// The output's axes behind batch and steps, if they are not the query's features.
    fn output(&self) -> Option<&[usize]> {
        None
    }

    /// Checks query and value beyond what all kinds ask of them.
    fn check(&self, query: &Spec, value: &Spec) -> Result<()>;

    /// Adds the arguments to a config that only this kind has.
    fn write(&self, heads: &Heads, config: &mut Config);
}

/// Attention of several heads of the kind `K`: what [`MultiHeadAttention`](super::MultiHeadAttention) and
/// [`GroupQueryAttention`](super::GroupQueryAttention) are.
///
/// q, k and v are projections of query, key and value to heads; then softmax(q·kᵀ / √size)·v for each head, and a
/// projection of all heads together.
///
/// Inputs: a query `(batch, queries, features)`, a value `(batch, keys, features)` and a key, if it is not the value:
/// `layer.call([&x, &x])` is self-attention. With `attention_mask` the last input is a mask, `(batch, queries, keys)`
/// or `(batch, heads, queries, keys)` with heads or 1, where 0 or false hides a key from a query; it is combined with
/// the masks that flow in with the inputs. Output `(batch, queries, features of the query)`, and with
/// `return_attention_scores` the probabilities `(batch, heads, queries, keys)` before dropout, which costs memory that
/// grows with their product. The output has the query's mask.
///
/// A query that sees no key gives zeros before the last projection, as Keras's own with scores or dropout; without them
/// Keras takes the mean of all values there, hidden ones too. Where the query itself is masked, this engine does so
/// too. Keras's own also takes the masks away from what it was called on, so that a layer called on the same tensors
/// after it sees none: this engine leaves them. Random numbers are the model's; a `seed` in a Keras config is kept and
/// not used, and `flash_attention` has no meaning here. Softmax is computed in f32 under mixed precision.
#[derive(Clone, Debug)]
pub struct HeadedAttention<K> {
    pub(super) kind: K,
    pub(super) heads: Heads,
    kernel: Parameter,
    bias: Parameter,
    seed: Value,
    signature: Signature,
}

const CALL: Signature = Signature::new(&[
    Argument::Input("query"),
    Argument::Input("value"),
    Argument::Input("key"),
    Argument::Other("query_mask"),
    Argument::Other("value_mask"),
    Argument::Other("key_mask"),
    Argument::Optional("attention_mask"),
    Argument::Flag("return_attention_scores", false),
    Argument::Other("training"),
    Argument::Flag("use_causal_mask", false),
]);

impl<K: HeadKind> HeadedAttention<K> {
    pub(super) fn of(kind: K, heads: usize, key_heads: usize, size: usize) -> Self {
        let (value_size, use_bias, use_gate, dropout) = (size, true, false, 0.0);
        HeadedAttention {
            kind,
            heads: Heads { heads, key_heads, size, value_size, use_bias, use_gate, dropout },
            kernel: Parameter::new("kernel", GlorotUniform),
            bias: Parameter::new("bias", Zeros),
            seed: Value::Null,
            signature: CALL,
        }
    }

    /// The fraction of probabilities that training drops; by default none.
    pub fn dropout(mut self, dropout: f64) -> Self {
        self.heads.dropout = dropout;
        self
    }

    /// Whether projections add a bias; by default they do.
    pub fn use_bias(mut self, use_bias: bool) -> Self {
        self.heads.use_bias = use_bias;
        self
    }

    /// Whether the sigmoid of one more projection of the query multiplies what heads give; by default not
    /// ([Qiu et al., 2025](https://arxiv.org/abs/2505.06708)).
    pub fn use_gate(mut self, use_gate: bool) -> Self {
        self.heads.use_gate = use_gate;
        self
    }

    told! {
        /// Whether the last input is a mask of which keys each query sees; by default not.
        attention_mask;
        /// Whether the probabilities are a second output; by default not.
        /// [`LayerRef::call_all`](crate::layers::LayerRef::call_all) returns both.
        return_attention_scores;
        /// Whether a query sees no keys behind its own place; by default it does.
        use_causal_mask;
    }

    parameter_setters!(
        kernel: kernel_initializer "The kernels' first values; by default Glorot uniform.", kernel_regularizer,
        kernel_constraint
    );
    parameter_setters!(
        bias: bias_initializer "The biases' first values; by default zeros.", bias_regularizer, bias_constraint
    );

    /// What a config says of what all kinds have.
    pub(super) fn reading(self, config: &Config) -> Result<Self> {
        // What Keras's penalizes are the projections.
        config.refuse(&["sliding_window", "activity_regularizer"])?;
        Ok(HeadedAttention {
            heads: Heads {
                use_bias: config.flag("use_bias", true)?,
                use_gate: config.flag("use_gate", false)?,
                dropout: config.number("dropout", 0.0)?,
                ..self.heads
            },
            kernel: Parameter::read(config, "kernel", "GlorotUniform")?,
            bias: Parameter::read(config, "bias", "Zeros")?,
            seed: config.find("seed").cloned().unwrap_or_default(),
            ..self
        })
    }

    /// Query, value, key; and the mask, if one is an input.
    fn split<'a, T>(&self, inputs: &'a [T]) -> (&'a [T], Option<&'a T>) {
        let (attended, mask) = inputs.split_at(self.signature.required(inputs.len()));
        (attended, mask.first())
    }
}

impl<K: HeadKind> Layer for HeadedAttention<K> {
    fn class_name(&self) -> &'static str {
        K::CLASS
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        self.heads.check()?;
        let (attended, mask) = self.split(inputs);
        let [query, value, key] = check(attended)?;
        self.kind.check(query, value)?;
        mask.map_or(Ok(()), |mask| check_mask(mask, self.heads.heads, query, key))?;
        let mut output = query.clone();
        if let Some(shape) = self.kind.output() {
            output.dims.truncate(2);
            output.dims.extend(shape.iter().map(|&n| Some(n)));
        }
        let scores = self.signature.is("return_attention_scores");
        let scores = scores.then(|| scores_spec(Some(self.heads.heads), query, key));
        Ok(std::iter::once(output).chain(scores).collect())
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let [query, value, key] = check(self.split(inputs).0)?;
        let features = [query.known(-1)?, value.known(-1)?, key.known(-1)?];
        let (own, output) = (&[features[0]][..], self.kind.output());
        let projections = Projections { prefix: K::PREFIX, kernel: &self.kernel, bias: &self.bias };
        self.heads.weights(features, output.unwrap_or(own), projections)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (attended, mask) = self.split(inputs);
        let [query, value, ..] = *attended else { return Err(Error::Internal("no query and value".into())) };
        let key = attended.get(2);
        let sight = Sight::new(self.signature.is("use_causal_mask"));
        let grows = call.steps().is_some_and(|steps| steps.grows(1));
        let all =
            |input: usize| if grows { all_steps(call, input, call.mask(input)) } else { Ok(call.mask(input).cloned()) };
        let of_key = if key.is_some() { all(2)? } else { None };
        let sight = sight.keys(all(1)?.as_ref())?.keys(of_key.as_ref())?.given(mask.copied())?;
        let (key, query_mask) = (key.copied().unwrap_or(value), call.mask(0));
        let scores = self.signature.is("return_attention_scores");
        self.heads.forward(call, 0, Attended { query, value, key, sight, query_mask, scores, grows })
    }

    fn kept_spec(&self, inputs: &[Spec]) -> Vec<Spec> {
        let scores = self.signature.is("return_attention_scores");
        let kept = check(self.split(inputs).0).map(|[query, _, key]| self.heads.kept(query, key, scores));
        kept.unwrap_or_default()
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "dropout": self.heads.dropout,
            "use_bias": self.heads.use_bias,
            "use_gate": self.heads.use_gate,
            "sliding_window": null,
            "seed": self.seed,
        }));
        self.kind.write(&self.heads, &mut config);
        self.kernel.write(&mut config);
        self.bias.write(&mut config);
        config
    }

    attends!();

    fn stepwise(&self, grows: &[bool]) -> bool {
        let is = |name| self.signature.is(name);
        // A query sees none behind its own place, or keys that are all there.
        let sees = if is("use_causal_mask") { grows[1..].iter().all(|&g| g) } else { !grows[1..].contains(&true) };
        grows[0] && sees && !is("attention_mask") && !is("return_attention_scores")
    }
}
