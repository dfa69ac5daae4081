//! The long short-term memory.

use super::recurrent::Recurrent;
use super::recurrent_cell::{CellKind, Gated, Parts, RecurrentCell};
use super::traversal::States;
use super::{Config, Parameter, Read, WeightSpec};
use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use crate::initializers::{Initializer, Ones};
use crate::ops::{self, Activation, Given, Pass, Weights};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A long short-term memory over a sequence ([Keras](https://keras.io/api/layers/recurrent_layers/lstm/), [Hochreiter and
/// Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735)): with the input x of a step,
///
/// i, f, o = σ(x·K + h·R + b) of the gate's part each, g = φ(x·K + h·R + b) of its part, c ← f·c + i·g, h ← o·φ(c).
///
/// Input, output, masks and initial states, which are h and c, are those of [`Recurrent`]. Weights: `cell/kernel` (features,
/// 4 · units), `cell/recurrent_kernel` (units, 4 · units), `cell/bias` (4 · units), the gates in the order i, f, g, o. Defaults:
/// φ tanh, σ sigmoid, with bias, kernel Glorot uniform, recurrent kernel orthogonal, bias zeros, but ones for f.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let x = Input::new([120, 14]);
/// let y = LSTM::new(32).recurrent_dropout(0.25).call(&x)?;
/// assert_eq!(y.spec().to_string(), "(None, 32)");
///
/// // An encoder's last states are the first ones of a decoder.
/// let encoded = LSTM::new(32).return_state(true).shared().call_all(&x)?;
/// let decoded = LSTM::new(32).return_sequences(true).call([&x, &encoded[1], &encoded[2]])?;
/// assert_eq!(decoded.spec().to_string(), "(None, 120, 32)");
/// # Ok(())
/// # }
/// ```
pub type LSTM = Recurrent<Lstm>;

/// A step of a long short-term memory: see [`LSTM`].
pub type LSTMCell = RecurrentCell<Lstm>;

/// The gates i, f, o and the states h, c.
#[derive(Clone, Copy, Debug)]
pub struct Lstm {
    unit_forget_bias: bool,
}

impl LSTM {
    /// A layer of `units`.
    pub fn new(units: usize) -> LSTM {
        Recurrent::of(LSTMCell::new(units))
    }

    /// Whether the bias of f begins at 1, whatever its initializer says; by default it does.
    pub fn unit_forget_bias(mut self, unit_forget_bias: bool) -> LSTM {
        self.cell = self.cell.unit_forget_bias(unit_forget_bias);
        self
    }
}

impl LSTMCell {
    /// A cell of `units`.
    pub fn new(units: usize) -> LSTMCell {
        RecurrentCell::of(Lstm { unit_forget_bias: true }, units)
    }

    /// Whether the bias of f begins at 1, whatever its initializer says; by default it does.
    pub fn unit_forget_bias(mut self, unit_forget_bias: bool) -> LSTMCell {
        self.kind.unit_forget_bias = unit_forget_bias;
        self
    }
}

impl CellKind for Lstm {
    const CLASSES: [&'static str; 2] = ["LSTM", "LSTMCell"];
    const GATES: usize = 4;
    const STATES: usize = 2;
    const GATED: bool = true;

    fn read(config: &Config) -> Result<Lstm> {
        Ok(Lstm { unit_forget_bias: config.flag("unit_forget_bias", true)? })
    }

    fn write(&self, config: &mut Config) {
        config.insert("unit_forget_bias".into(), self.unit_forget_bias.into());
    }

    fn bias(&self, parameter: &Parameter, units: usize) -> Result<WeightSpec> {
        Ok(forget_bias(parameter.spec(Shape::new(&[4 * units])?)?, self.unit_forget_bias))
    }

    fn kept(&self, steps: usize) -> usize {
        ops::Lstm::kept(steps)
    }

    fn run(
        &self,
        x: &Tensor,
        weights: Weights,
        activations: [Activation; 2],
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)> {
        x.lstm(weights, activations, pass, given)
    }

    fn step(&self, parts: &Parts, states: &[&Tensor]) -> Result<States> {
        step(parts, states)
    }
}

/// A step with any kind of product.
pub(super) fn step(parts: &Parts, states: &[&Tensor]) -> Result<States> {
    let [h, c] = states else { return Err(Error::Internal("the states are h and c".into())) };
    let (i, f, o) = (parts.gate(0, h)?, parts.gate(1, h)?, parts.gate(3, h)?);
    let g = parts.own(&parts.both(2, h)?)?;
    let c = f.mul(c)?.add(&i.mul(&g)?)?;
    Ok(States::from_iter([o.mul(&parts.own(&c)?)?, c]))
}

impl Gated for Lstm {}

/// The bias, which begins at 1 for f if it shall.
pub(super) fn forget_bias(spec: WeightSpec, unit_forget_bias: bool) -> WeightSpec {
    match unit_forget_bias {
        true => WeightSpec { initializer: Box::new(UnitForget(spec.initializer)), ..spec },
        false => spec,
    }
}

/// The first values of the whole bias: ones for f, an initializer's for the rest. No file names it.
#[derive(Clone, Debug)]
struct UnitForget(Box<dyn Initializer>);

impl Initializer for UnitForget {
    fn class_name(&self) -> &'static str {
        self.0.class_name()
    }

    fn config(&self) -> Config {
        self.0.config()
    }

    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        let part = |gates: usize| Shape::new(&[shape.size() / 4 * gates]);
        // Numbers of its own for each part.
        let rest = self.0.values(&part(2)?, &numbers.sibling())?;
        Ok([self.0.values(&part(1)?, numbers)?, Ones.values(&part(1)?, numbers)?, rest].concat())
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(self.clone())
    }
}
