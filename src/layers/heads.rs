//! Attention of several heads: projections to them, attention, and a projection back.

use super::attend::{
    Sight, all_steps, attend, attend_and_show, check, check_dropout, check_mask, scores_spec, with_last,
};
use super::parameter::parameter_setters;
use super::signature::{signed, told};
use super::{Argument, Call, Config, Layer, Mask, Parameter, Read, Signature, Spec, WeightSpec, object};
use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::ops::Activation;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};
use std::fmt;

/// How many heads there are, and of which sizes.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Of queries; a multiple of those of keys, of which neighbours share one.
    pub heads: usize,
    pub key_heads: usize,
    /// Of queries and keys.
    pub size: usize,
    pub value_size: usize,
    pub use_bias: bool,
    pub use_gate: bool,
    pub dropout: f64,
}

/// What an attention is called on.
pub struct Attended<'a> {
    pub query: &'a Tensor,
    pub value: &'a Tensor,
    pub key: &'a Tensor,
    pub sight: Sight,
    /// Queries that count, `(batch, queries)`.
    pub query_mask: Option<&'a Tensor>,
    /// Whether the probabilities are wanted too.
    pub scores: bool,
    /// Whether key and value come with the query where a sequence comes a few steps at a time.
    pub grows: bool,
}

/// What the weights of projections are.
pub struct Projections<'a> {
    /// What stands before their names.
    pub prefix: &'a str,
    pub kernel: &'a Parameter,
    pub bias: &'a Parameter,
}

impl Heads {
    /// Checks the arguments.
    pub fn check(&self) -> Result<()> {
        let counts = [self.heads, self.key_heads, self.size, self.value_size];
        if counts.contains(&0) {
            return Err(Error::Config(format!("expected heads of a size, at least 1, got {counts:?}")));
        }
        if !self.heads.is_multiple_of(self.key_heads) {
            let (heads, key_heads) = (self.heads, self.key_heads);
            let message = "expected `num_query_heads` to be a multiple of `num_key_value_heads`";
            return Err(Error::Config(format!("{message}, got {heads} and {key_heads}")));
        }
        check_dropout(self.dropout)
    }

    /// The weights for so many features of query, value and key, and for an output of this shape.
    pub fn weights(
        &self,
        [query, value, key]: [usize; 3],
        output: &[usize],
        of: Projections,
    ) -> Result<Vec<WeightSpec>> {
        let mut weights = Vec::new();
        let mut add = |name: &str, inputs: &[usize], outputs: &[usize]| -> Result<()> {
            let kernel = of.kernel.spec_as(&format!("{name}/kernel"), Shape::new(&[inputs, outputs].concat())?)?;
            let matrix = [Shape::new(inputs)?.size(), Shape::new(outputs)?.size()];
            weights.push(WeightSpec { initializer: as_matrix(kernel.initializer, matrix), ..kernel });
            if self.use_bias {
                weights.push(of.bias.spec_as(&format!("{name}/bias"), Shape::new(outputs)?)?);
            }
            Ok(())
        };
        let prefix = of.prefix;
        let (keys, values) = ([self.key_heads, self.size], [self.key_heads, self.value_size]);
        add(&format!("{prefix}query_dense"), &[query], &[self.heads, self.size])?;
        add(&format!("{prefix}key_dense"), &[key], &keys)?;
        if self.use_gate {
            // Keras has no public name for it.
            let outer = prefix.trim_end_matches('_');
            add(&format!("{outer}_gate_dense"), &[query], &[self.heads, self.value_size])?;
        }
        add(&format!("{prefix}value_dense"), &[value], &values)?;
        add(&format!("{prefix}output_dense"), &[self.heads, self.value_size], output)?;
        Ok(weights)
    }

    /// How many weights a projection has.
    fn step(&self) -> usize {
        1 + usize::from(self.use_bias)
    }

    /// How many weights there are.
    pub fn count(&self) -> usize {
        self.step() * (4 + usize::from(self.use_gate))
    }

    /// x by a kernel whose first axes are x's features, which gives `outputs` in their place.
    fn linear(&self, call: &Call, place: usize, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let kernel = call.weight(place)?;
        let features = x.shape().last();
        let columns = kernel.shape().size() / features.max(1);
        let bias = if self.use_bias { Some(call.weight(place + 1)?.reshape([columns])?) } else { None };
        x.linear(&kernel.reshape([features, columns])?, bias.as_ref(), activation)
    }

    /// x in heads, `(batch, steps, heads, size)`.
    fn project(&self, call: &Call, place: usize, x: &Tensor, heads: [usize; 2]) -> Result<Tensor> {
        let y = self.linear(call, place, x, Activation::Linear)?;
        y.reshape(with_last(&y, &heads)?)
    }

    /// Key and value in heads.
    fn keys_and_values(&self, call: &Call, first: usize, key: &Tensor, value: &Tensor) -> Result<[Tensor; 2]> {
        let (step, gate) = (self.step(), usize::from(self.use_gate));
        Ok([
            self.project(call, first + step, key, [self.key_heads, self.size])?,
            self.project(call, first + (2 + gate) * step, value, [self.key_heads, self.value_size])?,
        ])
    }

    /// The output and, if they are wanted, the probabilities `(batch, heads, queries, keys)`, with the weights from `first` on.
    pub fn forward(&self, call: &Call, first: usize, on: Attended) -> Result<Tensors> {
        let step = self.step();
        let query = self.project(call, first, on.query, [self.heads, self.size])?;
        let new = || self.keys_and_values(call, first, on.key, on.value);
        let [key, value] = match call.steps() {
            None => new()?,
            Some(steps) if on.grows => {
                let [key, value] = new()?;
                [steps.append(first, &key)?, steps.append(first + 1, &value)?]
            }
            Some(steps) => steps.once(first, new)?,
        };
        let scale = 1.0 / (self.size as f64).sqrt();
        let (projected, mut shown) = ([&query, &key, &value], None);
        let mut y = if on.scores {
            let (y, probabilities) =
                attend_and_show(call, projected, scale, &on.sight.queries(on.query_mask)?, self.dropout)?;
            shown = Some(probabilities);
            y
        } else {
            let y = attend(call, projected, scale, &on.sight, self.dropout)?;
            self.without_queries(y, &value, on.query_mask)?
        };
        if self.use_gate {
            let gate = self.linear(call, first + 2 * step, on.query, Activation::Sigmoid)?;
            y = y.mul(&gate.reshape(y.shape())?)?;
        }
        let output = self.count() - step;
        let y = self.linear(call, first + output, &y.reshape(with_rows(&y)?)?, Activation::Linear)?;
        let kernel = call.raw_weight(first + output)?.shape();
        let y = y.reshape(with_last(&y, &kernel[2..])?)?;
        Ok(std::iter::once(y).chain(shown).collect())
    }

    /// What heads have where a query does not count: as in Keras the mean of all values and, in a layer with dropout, zeros.
    ///
    /// A mask of such queries would be as large as the scores; what they see does not matter, so that they are replaced behind.
    fn without_queries(&self, y: Tensor, value: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        let Some(mask) = mask else { return Ok(y) };
        let [batch, queries, heads, size] = *y.shape() else {
            return Err(Error::Internal("an output of heads has 4 axes".into()));
        };
        let other = match self.dropout > 0.0 {
            true => Tensor::zeros(&y.device(), (), y.dtype())?,
            false => value.mean(&[1], true)?.reshape([batch, 1, self.key_heads, 1, size])?,
        };
        let grouped = y.reshape([batch, queries, self.key_heads, heads / self.key_heads, size])?;
        let mask = mask.reshape([batch, queries, 1, 1, 1])?;
        mask.select(&grouped, &other)?.reshape(y.shape())
    }

    /// What training keeps of an attention of these.
    pub fn kept(&self, query: &Spec, key: &Spec, scores: bool) -> Vec<Spec> {
        let of = |x: &Spec, heads: usize, size: usize| {
            let extents = Some(heads.saturating_mul(size));
            Spec { dims: vec![x.dims[0], x.dims[1], extents], dtype: x.dtype }
        };
        let mut kept = vec![
            of(query, self.heads, self.size),
            of(key, self.key_heads, self.size),
            of(key, self.key_heads, self.value_size),
            of(query, self.heads, self.value_size),
        ];
        match scores {
            // Products, probabilities, and those that were not dropped.
            true => kept.extend(vec![scores_spec(Some(self.heads), query, key); 3]),
            false => kept.push(of(query, self.heads, 1)),
        }
        kept
    }
}

/// The shape of rows of heads one beside the other.
fn with_rows(y: &Tensor) -> Result<Shape> {
    match *y.shape() {
        [batch, steps, heads, size] => Shape::new(&[batch, steps, heads * size]),
        _ => Err(Error::Internal("an output of heads has 4 axes".into())),
    }
}

/// The first values of a kernel whose inputs or outputs have several axes: as Keras's `EinsumDense`, an initializer that looks at
/// how many there are counts them all. No file names it.
pub(super) fn as_matrix(initializer: Box<dyn Initializer>, matrix: [usize; 2]) -> Box<dyn Initializer> {
    const COUNTING: [&str; 3] = ["Glorot", "He", "Lecun"];
    let class = initializer.class_name();
    match class == "VarianceScaling" || COUNTING.iter().any(|name| class.starts_with(name)) {
        true => Box::new(AsMatrix { initializer, matrix }),
        false => initializer,
    }
}

#[derive(Clone, Debug)]
struct AsMatrix {
    initializer: Box<dyn Initializer>,
    matrix: [usize; 2],
}

impl Initializer for AsMatrix {
    fn class_name(&self) -> &'static str {
        self.initializer.class_name()
    }

    fn config(&self) -> Config {
        self.initializer.config()
    }

    fn values(&self, _: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        self.initializer.values(&Shape::new(&self.matrix)?, numbers)
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(self.clone())
    }
}

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
/// q, k and v are projections of query, key and value to heads; then softmax(q·kᵀ / √size)·v for each head, and a projection of all
/// heads together.
///
/// Inputs: a query `(batch, queries, features)`, a value `(batch, keys, features)` and a key, if it is not the value:
/// `layer.call([&x, &x])` is self-attention. With `attention_mask` the last input is a mask, `(batch, queries, keys)` or `(batch,
/// heads, queries, keys)` with heads or 1, where 0 or false hides a key from a query; it is combined with the masks that
/// flow in with the inputs. Output `(batch, queries, features of the query)`, and with `return_attention_scores` the
/// probabilities `(batch, heads, queries, keys)` before dropout, which costs memory that grows with their product. The
/// output has the query's mask.
///
/// A query that sees no key gives zeros before the last projection, as Keras's own with scores or dropout; without them Keras
/// takes the mean of all values there, hidden ones too. Where the query itself is masked, this engine does so too. Random
/// numbers are the model's; a `seed` in a Keras config is kept and not used, and `flash_attention` has no meaning here. Softmax is
/// computed in f32 under mixed precision.
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

    signed!();

    fn supports_masking(&self) -> bool {
        true
    }

    fn compute_mask(&self, output: usize, _: &[bool]) -> Mask {
        if output == 0 { Mask::Of(0) } else { Mask::None }
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, grows: &[bool]) -> bool {
        let is = |name| self.signature.is(name);
        // A query sees none behind its own place, or keys that are all there.
        let sees = if is("use_causal_mask") { grows[1..].iter().all(|&g| g) } else { !grows[1..].contains(&true) };
        grows[0] && sees && !is("attention_mask") && !is("return_attention_scores")
    }
}
