//! What the cells of recurrences over units have in common.

use super::parameter::parameter_setters;
use super::traversal::{States, check_states, first};
use super::{ActivationFn, Call, Config, Layer, Parameter, Read, Spec, WeightSpec, in_precision, object};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Orthogonal, Zeros};
use crate::ops::{Activation, Given, Pass, Weights};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};
use smallvec::SmallVec;
use std::fmt;

/// A cell of the kind `K`: what [`LSTMCell`](super::LSTMCell) and its like are, and what [`LSTM`](super::LSTM) and its like go
/// through a sequence with.
#[derive(Clone, Debug)]
pub struct RecurrentCell<K> {
    pub(super) kind: K,
    pub(super) units: usize,
    pub(super) activation: ActivationFn,
    pub(super) recurrent_activation: ActivationFn,
    pub(super) use_bias: bool,
    pub(super) kernel: Parameter,
    pub(super) recurrent: Parameter,
    pub(super) bias: Parameter,
    pub(super) dropout: f64,
    pub(super) recurrent_dropout: f64,
    seed: Value,
}

/// What tells the kinds of cells apart.
pub trait CellKind: Clone + fmt::Debug + Send + Sync + 'static {
    /// Keras's classes of the layer and of the cell.
    const CLASSES: [&'static str; 2];

    /// Parts of the kernels, one beside the other.
    const GATES: usize;

    /// How many states there are, each of `(batch, units)`.
    const STATES: usize;

    /// Whether it has gates, and an activation of theirs.
    const GATED: bool;

    /// The arguments of a config that only this kind has.
    fn read(config: &Config) -> Result<Self>;

    /// Adds them to a config.
    fn write(&self, config: &mut Config);

    /// The bias.
    fn bias(&self, parameter: &Parameter, units: usize) -> Result<WeightSpec> {
        parameter.spec(Shape::new(&[Self::GATES * units])?)
    }

    /// The parts of the bias that belong to the products of the input and, if one does, of the state.
    fn biases(&self, bias: Tensor) -> Result<(Tensor, Option<Tensor>)> {
        Ok((bias, None))
    }

    /// Rows of `(batch, units)` that a sequence of so many steps keeps for the backward.
    fn kept(&self, steps: usize) -> usize;

    /// Goes through a sequence.
    fn run(
        &self,
        x: &Tensor,
        weights: Weights,
        activations: [Activation; 2],
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)>;

    /// The states after a step, of which the first is the output, in ordinary ops.
    fn step(&self, parts: &Parts, states: &[&Tensor]) -> Result<States>;
}

/// What the gates of a step are made of.
pub struct Parts<'a> {
    /// The sum of the products of a gate's input.
    pub(super) sum: &'a dyn Fn(usize) -> Result<Tensor>,
    /// The product of a state with a gate's recurrent kernel, and the recurrent bias.
    pub(super) product: &'a dyn Fn(usize, &Tensor) -> Result<Tensor>,
    pub(super) activations: [ActivationFn; 2],
}

impl Parts<'_> {
    fn activated(activation: ActivationFn, x: &Tensor) -> Result<Tensor> {
        in_precision(&activation.call(x)?, x.dtype())
    }

    /// The activation of what a step gives.
    pub(super) fn own(&self, x: &Tensor) -> Result<Tensor> {
        Parts::activated(self.activations[0], x)
    }

    /// A gate before its activation.
    pub(super) fn both(&self, gate: usize, state: &Tensor) -> Result<Tensor> {
        (self.sum)(gate)?.add(&(self.product)(gate, state)?)
    }

    /// A gate.
    pub(super) fn gate(&self, gate: usize, state: &Tensor) -> Result<Tensor> {
        Parts::activated(self.activations[1], &self.both(gate, state)?)
    }
}

/// The kinds that have gates.
pub trait Gated: CellKind {}

impl<K: CellKind> RecurrentCell<K> {
    pub(super) fn of(kind: K, units: usize) -> Self {
        RecurrentCell {
            kind,
            units,
            activation: Activation::Tanh.into(),
            recurrent_activation: Activation::Sigmoid.into(),
            use_bias: true,
            kernel: Parameter::new("kernel", GlorotUniform),
            recurrent: Parameter::new("recurrent", Orthogonal::new(1.0)),
            bias: Parameter::new("bias", Zeros),
            dropout: 0.0,
            recurrent_dropout: 0.0,
            seed: Value::Null,
        }
    }

    /// The cell that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        let of = RecurrentCell::of(K::read(config)?, config.size("units")?);
        Ok(RecurrentCell {
            activation: ActivationFn::read(config, "activation", of.activation)?,
            recurrent_activation: ActivationFn::read(config, "recurrent_activation", of.recurrent_activation)?,
            use_bias: config.flag("use_bias", true)?,
            kernel: Parameter::read(config, "kernel", "GlorotUniform")?,
            recurrent: Parameter::read(config, "recurrent", "Orthogonal")?,
            bias: Parameter::read(config, "bias", "Zeros")?,
            dropout: config.number("dropout", 0.0)?,
            recurrent_dropout: config.number("recurrent_dropout", 0.0)?,
            seed: config.find("seed").cloned().unwrap_or_default(),
            ..of
        })
    }

    pub(super) fn arguments(&self) -> Config {
        let mut config = object(json!({
            "units": self.units,
            "activation": self.activation.to_json(),
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }));
        if K::GATED {
            config.insert("recurrent_activation".into(), self.recurrent_activation.to_json());
        }
        self.kind.write(&mut config);
        [&self.kernel, &self.recurrent, &self.bias].into_iter().for_each(|p| p.write(&mut config));
        config
    }

    /// Checks the arguments.
    pub(super) fn check(&self) -> Result<()> {
        if self.units == 0 {
            let message = "argument `units`: expected a positive integer, got 0";
            return Err(Error::Config(message.into()));
        }
        check_rates(self.dropout, self.recurrent_dropout)
    }

    /// The state of a batch.
    pub(super) fn state(&self, x: &Spec) -> Spec {
        Spec { dims: vec![x.dims[0], Some(self.units)], dtype: x.dtype }
    }

    /// The weights for an input of so many features.
    pub(super) fn weights_for(&self, features: usize) -> Result<Vec<WeightSpec>> {
        let columns = K::GATES * self.units;
        let mut weights = vec![
            self.kernel.spec(Shape::new(&[features, columns])?)?,
            self.recurrent.spec_as("recurrent_kernel", Shape::new(&[self.units, columns])?)?,
        ];
        if self.use_bias {
            weights.push(self.kind.bias(&self.bias, self.units)?);
        }
        Ok(weights)
    }

    /// The activations as the ops have them.
    pub(super) fn activations(&self) -> Result<[Activation; 2]> {
        let element = |activation: ActivationFn| match activation {
            ActivationFn::Element(activation) => Ok(activation),
            along => {
                let ([layer, cell], name) = (K::CLASSES, along.name());
                let message = format!("{layer} goes through a sequence in one piece, which {name} does not allow");
                Err(Error::Config(format!("{message}: use RNN({cell}) instead, which goes step by step")))
            }
        };
        Ok([element(self.activation)?, element(self.recurrent_activation)?])
    }

    /// How many weights it has.
    pub(super) fn count(&self) -> usize {
        if self.use_bias { 3 } else { 2 }
    }

    /// The input `(batch, time, features)` and the kernel that it is multiplied by, in training with the input dropped out: one
    /// mask for all steps, and as in Keras one for each gate where the state is dropped out too. The input then stands beside
    /// itself once for each, and the kernel of a gate meets its own.
    pub(super) fn input(&self, call: &Call, x: &Tensor, kernel: Tensor) -> Result<(Tensor, Tensor)> {
        let rate = if call.training() && self.dropout < 1.0 { self.dropout } else { 0.0 };
        let dropped = || -> Result<Tensor> {
            let ones = Tensor::ones(&x.device(), x.shape().with(1, 1)?, x.dtype())?;
            x.mul(&ones.dropout(rate, call.generator()?)?)
        };
        if rate == 0.0 {
            return Ok((x.clone(), kernel));
        }
        if self.recurrent_dropout == 0.0 || K::GATES == 1 {
            return Ok((dropped()?, kernel));
        }
        let inputs = (0..K::GATES).map(|_| dropped()).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
        let own = |gate: usize| -> Result<Tensor> {
            let (before, after) = (gate * self.units, (K::GATES - 1 - gate) * self.units);
            kernel.slice(1, before..before + self.units)?.pad(1, before, after, 0.0)
        };
        let kernels = (0..K::GATES).map(own).collect::<Result<SmallVec<[Tensor; 4]>>>()?;
        let all = |parts: &[Tensor], axis| Tensor::concatenate(&parts.iter().collect::<SmallVec<[&Tensor; 4]>>(), axis);
        Ok((all(&inputs, -1)?, all(&kernels, 0)?))
    }

    /// The biases of the input's products and of the state's.
    pub(super) fn biases(&self, call: &Call) -> Result<(Option<Tensor>, Option<Tensor>)> {
        if !self.use_bias {
            return Ok((None, None));
        }
        self.kind.biases(call.weight(2)?).map(|(bias, recurrent)| (Some(bias), recurrent))
    }

    /// In training, which units of the state each gate sees, `(gates, batch, units)`, and what those are multiplied by.
    pub(super) fn kept(&self, call: &Call, x: &Tensor) -> Result<Option<(Tensor, f64)>> {
        let rate = self.recurrent_dropout;
        if !call.training() || rate == 0.0 || rate == 1.0 {
            return Ok(None);
        }
        let shape = [K::GATES, x.shape()[0], self.units];
        let numbers = call.generator()?.uniform(shape, DType::F32, 0.0, 1.0)?;
        let kept = numbers.greater_equal(&Tensor::full(&x.device(), (), DType::F32, rate)?)?;
        Ok(Some((kept, 1.0 / (1.0 - rate))))
    }
}

/// Checks what is dropped.
pub(super) fn check_rates(dropout: f64, recurrent_dropout: f64) -> Result<()> {
    for (name, rate) in [("dropout", dropout), ("recurrent_dropout", recurrent_dropout)] {
        if !(0.0..=1.0).contains(&rate) {
            return Err(Error::Config(format!("argument `{name}`: expected a number in [0, 1], got {rate}")));
        }
    }
    Ok(())
}

/// The setters of a cell, or of a layer that holds one in the field in brackets.
macro_rules! cell_setters {
    ($([$outer:ident])?) => {
        /// The activation of what a step gives; by default tanh.
        pub fn activation(mut self, activation: impl Into<$crate::layers::ActivationFn>) -> Self {
            self.$($outer.)?activation = activation.into();
            self
        }

        /// Whether a bias is added; by default it is.
        pub fn use_bias(mut self, use_bias: bool) -> Self {
            self.$($outer.)?use_bias = use_bias;
            self
        }

        parameter_setters!(
            $([$outer])? kernel: kernel_initializer "The first values of the kernel of the input; by default Glorot uniform.",
            kernel_regularizer, kernel_constraint
        );
        parameter_setters!(
            $([$outer])? recurrent: recurrent_initializer
            "The first values of the kernel of the state; by default an orthogonal matrix.", recurrent_regularizer,
            recurrent_constraint
        );
        parameter_setters!(
            $([$outer])? bias: bias_initializer "The bias's first values; by default zeros.", bias_regularizer,
            bias_constraint
        );

        /// The fraction of the input's features that training drops, the same ones at all steps of a sequence; by default 0.
        pub fn dropout(mut self, rate: f64) -> Self {
            self.$($outer.)?dropout = rate;
            self
        }

        /// The fraction of the state's units that training drops from its products, for each gate others and the same ones
        /// at all steps; by default 0. With it, each gate has features of the input dropped of its own, too.
        pub fn recurrent_dropout(mut self, rate: f64) -> Self {
            self.$($outer.)?recurrent_dropout = rate;
            self
        }
    };
}
pub(super) use cell_setters;

impl<K: CellKind> RecurrentCell<K> {
    cell_setters!();
}

impl<K: Gated> RecurrentCell<K> {
    /// The activation of the gates; by default the sigmoid.
    pub fn recurrent_activation(mut self, activation: impl Into<ActivationFn>) -> Self {
        self.recurrent_activation = activation.into();
        self
    }
}

impl<K: CellKind> Layer for RecurrentCell<K> {
    fn class_name(&self) -> &'static str {
        K::CLASSES[1]
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = first(inputs)?;
        x.require_float()?;
        if x.rank() != 2 {
            return Err(Error::Input(format!("expected 2 axes (batch, features), got shape {x}")));
        }
        x.known(-1)?;
        self.check()?;
        check_states(&inputs[1..], &vec![self.state(x); K::STATES])?;
        Ok(vec![self.state(x); 1 + K::STATES])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        self.weights_for(first(inputs)?.known(-1)?)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let Some((x, states)) = inputs.split_first() else { return Err(Error::Internal("no input".into())) };
        let x = x.reshape(Shape::new(&[x.shape()[0], 1, x.shape()[1]])?)?;
        let (input_bias, bias) = self.biases(call)?;
        let (input, kernel) = self.input(call, &x, call.weight(0)?)?;
        let sums = input.linear(&kernel, input_bias.as_ref(), Activation::Linear)?;
        let (sums, dropout) = (sums.reshape(sums.shape().without(1))?, self.kept(call, &x)?);
        let recurrent = call.weight(1)?;
        let columns = |gate: usize| gate * self.units..(gate + 1) * self.units;
        let product = |gate: usize, state: &Tensor| -> Result<Tensor> {
            let bias = bias.as_ref().map(|bias| bias.slice(0, columns(gate))).transpose()?;
            let state = match &dropout {
                Some((kept, scale)) => {
                    let kept = kept.slice(0, gate..gate + 1)?.reshape(kept.shape().without(0))?;
                    kept.select(&state.mul_scalar(*scale)?, &Tensor::zeros(&state.device(), (), state.dtype())?)?
                }
                None => state.clone(),
            };
            state.linear(&recurrent.slice(1, columns(gate))?, bias.as_ref(), Activation::Linear)
        };
        let parts = Parts {
            sum: &|gate| sums.slice(1, columns(gate)),
            product: &product,
            activations: [self.activation, self.recurrent_activation],
        };
        let states = self.kind.step(&parts, states)?;
        Ok(std::iter::once(states[0].clone()).chain(states).collect())
    }

    fn config(&self) -> Config {
        self.arguments()
    }

    fn state_spec(&self, x: &Spec) -> Option<Vec<Spec>> {
        Some(vec![self.state(x); K::STATES])
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
