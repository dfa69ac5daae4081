//! Attention of one head without projections.

use super::attend::{Sight, attend, attends, check, check_dropout, probabilities, scores_spec};
use super::signature::told;
use super::{Argument, Call, Config, Layer, Read, Signature, Spec, WeightSpec, object};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};
use std::fmt;

/// What tells the layers apart that are attention of one head without projections.
pub trait Score: Clone + fmt::Debug + Send + Sync + 'static {
    /// Keras's class.
    const CLASS: &'static str;

    /// The weights for so many features of the query.
    fn weights(&self, use_scale: bool, features: usize) -> Result<Vec<WeightSpec>>;

    /// Whether the scores are products of query and key, times the scale if there is one.
    fn is_product(&self) -> bool;

    /// The scores `(batch, queries, keys)` of the sums of query and key `(batch, queries, keys, features)`, where they
    /// are not; `scale` is the weight, if there is one.
    fn of_sums(&self, call: &Call, sums: &Tensor, scale: Option<&Tensor>) -> Result<Tensor>;

    /// Adds the arguments to a config that only this kind has.
    fn write(&self, config: &mut Config);
}

/// Attention of one head without projections: what [`Attention`](super::Attention) and
/// [`AdditiveAttention`](super::AdditiveAttention) are.
///
/// softmax(scores)·value over the keys. Inputs: a query `(batch, queries, features)`, a value `(batch, keys, features)`
/// and a key, if it is not the value. Output `(batch, queries, features of the value)`, and with
/// `return_attention_scores` the probabilities `(batch, queries, keys)`, as dropout leaves them. The value's mask hides
/// keys; where the query is masked, the output is 0, and it has the query's mask. A key's own mask has no meaning, as
/// in Keras.
///
/// A query that sees no key gives zeros, where Keras takes the mean of all values, hidden ones too. Random numbers are
/// the model's; a `seed` in a Keras config is kept and not used.
#[derive(Clone, Debug)]
pub struct WeighingAttention<S> {
    pub(super) score: S,
    use_scale: bool,
    dropout: f64,
    seed: Value,
    signature: Signature,
}

const CALL: Signature = Signature::new(&[
    Argument::Inputs("inputs"),
    Argument::Other("mask"),
    Argument::Other("training"),
    Argument::Flag("return_attention_scores", false),
    Argument::Flag("use_causal_mask", false),
]);

impl<S: Score> WeighingAttention<S> {
    pub(super) fn of(score: S, use_scale: bool) -> Self {
        WeighingAttention { score, use_scale, dropout: 0.0, seed: Value::Null, signature: CALL }
    }

    /// Whether the scores have a weight that scales them.
    pub fn use_scale(mut self, use_scale: bool) -> Self {
        self.use_scale = use_scale;
        self
    }

    /// The fraction of probabilities that training drops; by default none.
    pub fn dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    told! {
        /// Whether the probabilities are a second output; by default not.
        /// [`LayerRef::call_all`](crate::layers::LayerRef::call_all) returns both.
        return_attention_scores;
        /// Whether a query sees no keys behind its own place; by default it does.
        use_causal_mask;
    }

    /// What a config says of what all kinds have.
    pub(super) fn reading(self, config: &Config) -> Result<Self> {
        Ok(WeighingAttention {
            use_scale: config.flag("use_scale", self.use_scale)?,
            dropout: config.number("dropout", 0.0)?,
            seed: config.find("seed").cloned().unwrap_or_default(),
            ..self
        })
    }

    /// The mean of values, weighed by probabilities, and those if they are wanted.
    fn weighed(&self, call: &Call, [query, value, key]: [&Tensor; 3], sight: &Sight) -> Result<Tensors> {
        let scale = if self.use_scale { Some(call.weight(0)?) } else { None };
        let shown = self.signature.is("return_attention_scores");
        let product = self.score.is_product();
        let query = &match &scale {
            Some(scale) if product => query.mul(scale)?,
            _ => query.clone(),
        };
        let one_head = |x: &Tensor| match *x.shape() {
            [batch, steps, features] => x.reshape([batch, steps, 1, features]),
            _ => Err(Error::Internal("an input of an attention has 3 axes".into())),
        };
        if product && !shown {
            let [q, k, v] = [query, key, value].map(one_head);
            let y = attend(call, [&q?, &k?, &v?], 1.0, sight, self.dropout)?;
            return Ok(Tensors::from_elem(y.reshape(query.shape().with(2, value.shape()[2])?)?, 1));
        }
        let scores = match product {
            true => query.matmul_with(key, false, true)?,
            false => self.score.of_sums(call, &sums(query, key)?, scale.as_ref())?,
        };
        let [batch, queries, keys] = *scores.shape() else {
            return Err(Error::Internal("scores have 3 axes".into()));
        };
        let probabilities = probabilities(&scores.reshape([batch, 1, queries, keys])?, sight)?;
        let kept = call.dropout(&probabilities.reshape(scores.shape())?, self.dropout)?;
        let y = kept.matmul(value)?;
        Ok(std::iter::once(y).chain(shown.then_some(kept)).collect())
    }
}

impl<S: Score> Layer for WeighingAttention<S> {
    fn class_name(&self) -> &'static str {
        S::CLASS
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        check_dropout(self.dropout)?;
        let [query, value, key] = check(inputs)?;
        if query.dims[2] != key.dims[2] {
            let message = "expected a query and a key of as many features";
            return Err(Error::Input(format!("{message}, got shapes {query} and {key}")));
        }
        let output = Spec { dims: vec![query.dims[0], query.dims[1], value.dims[2]], dtype: query.dtype };
        let scores = self.signature.is("return_attention_scores").then(|| scores_spec(None, query, key));
        Ok(std::iter::once(output).chain(scores).collect())
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        self.score.weights(self.use_scale, check(inputs)?[0].known(-1)?)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (query, value, key) = match *inputs {
            [query, value] => (query, value, value),
            [query, value, key] => (query, value, key),
            _ => return Err(Error::Internal("an attention has two or three inputs".into())),
        };
        let sight = Sight::new(self.signature.is("use_causal_mask")).keys(call.mask(1))?;
        let mut outputs = self.weighed(call, [query, value, key], &sight)?;
        if let (Some(mask), Some(y)) = (call.mask(0), outputs.first_mut()) {
            let mask = super::mask::beside(mask, 3)?;
            *y = mask.select(y, &Tensor::zeros(&y.device(), (), y.dtype())?)?;
        }
        Ok(outputs)
    }

    fn kept_spec(&self, inputs: &[Spec]) -> Vec<Spec> {
        let Ok([query, _, key]) = check(inputs) else { return Vec::new() };
        let scores = scores_spec(None, query, key);
        let sums = Spec { dims: scores.dims.iter().copied().chain([query.dims[2]]).collect(), dtype: query.dtype };
        match self.score.is_product() {
            // Attention in one piece has no scores.
            true if !self.signature.is("return_attention_scores") => Vec::new(),
            true => vec![scores; 2],
            false => vec![sums, scores.clone(), scores],
        }
    }

    fn config(&self) -> Config {
        let mut config = object(json!({ "use_scale": self.use_scale, "dropout": self.dropout, "seed": self.seed }));
        self.score.write(&mut config);
        config
    }

    attends!();
}

/// The sums of query and key `(batch, queries, keys, features)`.
fn sums(query: &Tensor, key: &Tensor) -> Result<Tensor> {
    let (q, k) = (query.shape(), key.shape());
    query.reshape([q[0], q[1], 1, q[2]])?.add(&key.reshape([k[0], 1, k[1], k[2]])?)
}
