//! What the layers of transformers share: attention and two dense layers, each with dropout, a residual and a
//! normalisation.

use super::attend::{Sight, check_dropout};
use super::heads::{Attended, Heads, Projections};
use super::{ActivationFn, Call, Config, Parameter, Read, Spec, WeightSpec, in_precision};
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Initializer, Ones, Zeros};
use crate::ops::Activation;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The arguments of a layer of a transformer.
#[derive(Clone, Debug)]
pub struct Block {
    pub intermediate_dim: usize,
    pub num_heads: usize,
    pub dropout: f64,
    pub activation: ActivationFn,
    pub layer_norm_epsilon: f64,
    pub kernel: Box<dyn Initializer>,
    pub bias: Box<dyn Initializer>,
    pub normalize_first: bool,
}

/// How many weights a normalisation has, and a dense layer.
const PAIR: usize = 2;

impl Block {
    pub fn new(intermediate_dim: usize, num_heads: usize) -> Block {
        Block {
            intermediate_dim,
            num_heads,
            dropout: 0.0,
            activation: Activation::Relu.into(),
            layer_norm_epsilon: 1e-5,
            kernel: Box::new(GlorotUniform),
            bias: Box::new(Zeros),
            normalize_first: false,
        }
    }

    /// What a config says.
    pub fn read(config: &Config) -> Result<Block> {
        Ok(Block {
            dropout: config.number("dropout", 0.0)?,
            activation: ActivationFn::from_name(&config.word("activation", "relu")?)?,
            layer_norm_epsilon: config.number("layer_norm_epsilon", 1e-5)?,
            kernel: config.initializer("kernel_initializer", "GlorotUniform")?,
            bias: config.initializer("bias_initializer", "Zeros")?,
            normalize_first: config.flag("normalize_first", false)?,
            ..Block::new(config.size("intermediate_dim")?, config.size("num_heads")?)
        })
    }

    /// The arguments as a config.
    pub fn config(&self) -> Config {
        super::object(serde_json::json!({
            "intermediate_dim": self.intermediate_dim,
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "activation": self.activation.to_json(),
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "kernel_initializer": self.kernel.serialized(),
            "bias_initializer": self.bias.serialized(),
            "normalize_first": self.normalize_first,
        }))
    }

    /// Checks the arguments and a sequence; its features.
    pub fn check(&self, x: &Spec) -> Result<usize> {
        check_dropout(self.dropout)?;
        x.require_float()?;
        if x.rank() != 3 {
            return Err(Error::Input(format!("expected 3 axes (batch, steps, features), got shape {x}")));
        }
        let features = x.known(-1)?;
        if self.num_heads == 0 || features < self.num_heads {
            let message = format!("expected at least {} features, one for each head", self.num_heads.max(1));
            return Err(Error::Input(format!("{message}, got shape {x}")));
        }
        if !(self.layer_norm_epsilon > 0.0 && self.layer_norm_epsilon.is_finite()) {
            let epsilon = self.layer_norm_epsilon;
            let message = "expected a positive number";
            return Err(Error::Config(format!("argument `layer_norm_epsilon`: {message}, got {epsilon}")));
        }
        let spec = Spec { dims: vec![x.dims[0], x.dims[1], Some(self.intermediate_dim)], dtype: x.dtype };
        if self.intermediate_dim == 0 || self.activation.output(spec.clone())? != spec {
            let (name, got) = (self.activation.name(), self.intermediate_dim);
            let message = "expected at least 1, and an activation that keeps it";
            return Err(Error::Config(format!("argument `intermediate_dim`: {message}, got {got} and {name}")));
        }
        Ok(features)
    }

    /// The heads for so many features.
    pub fn heads(&self, features: usize) -> Heads {
        let (heads, size) = (self.num_heads, features / self.num_heads.max(1));
        let (use_bias, use_gate, dropout) = (true, false, self.dropout);
        Heads { heads, key_heads: heads, size, value_size: size, use_bias, use_gate, dropout }
    }

    /// The weights of an attention and of its normalisation, under Keras's attribute `<name>_layer`.
    pub fn attention_weights(&self, name: &str, features: usize, of_value: usize) -> Result<Vec<WeightSpec>> {
        let (mut kernel, mut bias) = (Parameter::new("kernel", Zeros), Parameter::new("bias", Zeros));
        (kernel.initializer, bias.initializer) = (self.kernel.clone(), self.bias.clone());
        let prefix = &format!("{name}_layer/");
        let projections = Projections { prefix, kernel: &kernel, bias: &bias };
        let heads = self.heads(features);
        let mut weights = heads.weights([features, of_value, of_value], &[features], projections)?;
        weights.extend(self.norm_weights(&format!("{name}_layer_norm"), features)?);
        Ok(weights)
    }

    pub fn norm_weights(&self, name: &str, features: usize) -> Result<[WeightSpec; PAIR]> {
        let shape = Shape::new(&[features])?;
        let of = |weight: &str, initializer| WeightSpec::new(format!("{name}/{weight}"), shape, initializer);
        Ok([of("gamma", Box::new(Ones)), of("beta", Box::new(Zeros))])
    }

    /// Those of both dense layers.
    pub fn dense_weights(&self, features: usize) -> Result<Vec<WeightSpec>> {
        let layers = [("intermediate", features, self.intermediate_dim), ("output", self.intermediate_dim, features)];
        let mut weights = Vec::new();
        for (name, inputs, units) in layers {
            let name = format!("_feedforward_{name}_dense");
            let kernel = Shape::new(&[inputs, units])?;
            weights.push(WeightSpec::new(format!("{name}/kernel"), kernel, self.kernel.clone()));
            weights.push(WeightSpec::new(format!("{name}/bias"), Shape::new(&[units])?, self.bias.clone()));
        }
        Ok(weights)
    }

    /// x with what `part` makes of it added, of which training drops some; normalised before or behind, by the weights
    /// from `norm` on.
    fn residual(
        &self,
        call: &Call,
        norm: usize,
        x: Stream,
        part: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Stream> {
        let [gamma, beta] = [norm, norm + 1].map(|i| call.raw_weight(i));
        let (gamma, beta) = (Some(gamma?), Some(beta?));
        if self.normalize_first {
            let (x, normalized) = match x.added {
                Some(added) => x.x.add_layer_norm(&added, gamma, beta, self.layer_norm_epsilon)?,
                None => (x.x.clone(), x.x.layer_norm(gamma, beta, self.layer_norm_epsilon)?),
            };
            return Ok(Stream { x, added: Some(call.dropout(&part(&normalized)?, self.dropout)?) });
        }
        let x = x.whole()?;
        let y = call.dropout(&part(&x)?, self.dropout)?;
        let (_, normalized) = y.add_layer_norm(&x, gamma, beta, self.layer_norm_epsilon)?;
        Ok(Stream::of(&normalized))
    }

    /// The part with attention, whose weights begin at `first`, and its probabilities if they are wanted.
    pub fn attention(&self, call: &Call, first: usize, x: Stream, of: Attention) -> Result<(Stream, Option<Tensor>)> {
        let heads = self.heads(x.x.shape().last());
        let mut shown = None;
        let y = self.residual(call, first + heads.count(), x, |query| {
            let Attention { value, sight, query_mask, scores } = of;
            let grows = value.is_none();
            let value = value.unwrap_or(query);
            let on = Attended { query, value, key: value, sight, query_mask, scores, grows };
            let mut outputs = heads.forward(call, first, on)?.into_iter();
            let y = outputs.next().ok_or_else(|| Error::Internal("attention has an output".into()))?;
            shown = outputs.next();
            Ok(y)
        })?;
        Ok((y, shown))
    }

    /// The part with both dense layers, whose weights begin at `dense`.
    pub fn feed_forward(&self, call: &Call, dense: usize, norm: usize, x: Stream) -> Result<Tensor> {
        let y = self.residual(call, norm, x, |x| {
            let y = x.linear(&call.weight(dense)?, Some(&call.weight(dense + 1)?), self.activation.fused(call))?;
            let y = in_precision(&self.activation.rest(call, y)?, x.dtype())?;
            y.linear(&call.weight(dense + PAIR)?, Some(&call.weight(dense + PAIR + 1)?), Activation::Linear)
        })?;
        y.whole()
    }

    /// What training keeps of both dense layers and their normalisation, and of an attention's.
    pub fn kept(&self, x: &Spec) -> Vec<Spec> {
        let hidden = Spec { dims: vec![x.dims[0], x.dims[1], Some(self.intermediate_dim)], dtype: x.dtype };
        vec![hidden, x.clone(), x.clone(), x.clone()]
    }
}

/// What goes from part to part: a tensor, and what is still to be added to it, so that a normalisation behind adds it in its own
/// pass.
pub struct Stream {
    x: Tensor,
    added: Option<Tensor>,
}

impl Stream {
    pub fn of(x: &Tensor) -> Stream {
        Stream { x: x.clone(), added: None }
    }

    fn whole(self) -> Result<Tensor> {
        self.added.map_or(Ok(self.x.clone()), |added| self.x.add(&added))
    }
}

/// What an attention of a layer is called on beside the query.
pub struct Attention<'a> {
    /// The query itself if nothing else.
    pub value: Option<&'a Tensor>,
    pub sight: Sight,
    pub query_mask: Option<&'a Tensor>,
    pub scores: bool,
}

/// Weights of a normalisation and of both dense layers.
pub const NORM: usize = PAIR;
pub const DENSE: usize = 2 * PAIR;

/// The setters of a layer with the field `block`.
macro_rules! block_setters {
    () => {
        /// The fraction that training drops, of the probabilities of attention and of what is added to a residual; by
        /// default none.
        pub fn dropout(mut self, dropout: f64) -> Self {
            self.block.dropout = dropout;
            self
        }

        /// The activation between the dense layers; by default relu.
        pub fn activation(mut self, activation: impl Into<$crate::layers::ActivationFn>) -> Self {
            self.block.activation = activation.into();
            self
        }

        /// What the normalisations add to the variance; by default 1e-5.
        pub fn layer_norm_epsilon(mut self, layer_norm_epsilon: f64) -> Self {
            self.block.layer_norm_epsilon = layer_norm_epsilon;
            self
        }

        /// The first values of all kernels; by default Glorot uniform.
        pub fn kernel_initializer(mut self, initializer: impl $crate::initializers::Initializer) -> Self {
            self.block.kernel = Box::new(initializer);
            self
        }

        /// The first values of all biases; by default zeros.
        pub fn bias_initializer(mut self, initializer: impl $crate::initializers::Initializer) -> Self {
            self.block.bias = Box::new(initializer);
            self
        }

        /// Whether what attention and the dense layers get is normalised, as in GPT-2, rather than the sums behind
        /// them, as in BERT; by default the sums are.
        pub fn normalize_first(mut self, normalize_first: bool) -> Self {
            self.block.normalize_first = normalize_first;
            self
        }
    };
}
pub(super) use block_setters;
