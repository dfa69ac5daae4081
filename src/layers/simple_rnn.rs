//! The fully connected recurrence.

use super::Config;
use super::recurrent::Recurrent;
use super::recurrent_cell::{CellKind, Parts, RecurrentCell};
use super::traversal::States;
use crate::error::Result;
use crate::ops::{self, Activation, Given, Pass, Weights};
use crate::tensor::Tensor;

/// A fully connected recurrence over a sequence ([Keras](https://keras.io/api/layers/recurrent_layers/simple_rnn/)): with the
/// input x of a step, h ← φ(x·K + h·R + b).
///
/// Input, output, masks and initial state are those of [`Recurrent`]. Weights: `cell/kernel` (features, units),
/// `cell/recurrent_kernel` (units, units), `cell/bias` (units). Defaults: φ tanh, with bias, kernel Glorot uniform, recurrent
/// kernel orthogonal, bias zeros.
pub type SimpleRNN = Recurrent<Simple>;

/// A step of a fully connected recurrence: see [`SimpleRNN`].
pub type SimpleRNNCell = RecurrentCell<Simple>;

/// No gates, and the state h.
#[derive(Clone, Copy, Debug)]
pub struct Simple;

impl SimpleRNN {
    /// A layer of `units`.
    pub fn new(units: usize) -> SimpleRNN {
        Recurrent::of(SimpleRNNCell::new(units))
    }
}

impl SimpleRNNCell {
    /// A cell of `units`.
    pub fn new(units: usize) -> SimpleRNNCell {
        RecurrentCell::of(Simple, units)
    }
}

impl CellKind for Simple {
    const CLASSES: [&'static str; 2] = ["SimpleRNN", "SimpleRNNCell"];
    const GATES: usize = 1;
    const STATES: usize = 1;
    const GATED: bool = false;

    fn read(_: &Config) -> Result<Simple> {
        Ok(Simple)
    }

    fn write(&self, _: &mut Config) {}

    fn kept(&self, steps: usize) -> usize {
        ops::SimpleRnn::kept(steps)
    }

    fn run(
        &self,
        x: &Tensor,
        weights: Weights,
        [activation, _]: [Activation; 2],
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)> {
        x.simple_rnn(weights, activation, pass, given)
    }

    fn step(&self, parts: &Parts, states: &[&Tensor]) -> Result<States> {
        Ok(States::from_elem(parts.own(&parts.both(0, states[0])?)?, 1))
    }
}
