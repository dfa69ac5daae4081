//! The gated recurrent unit.

use super::recurrent::Recurrent;
use super::recurrent_cell::{CellKind, Gated, Parts, RecurrentCell};
use super::traversal::States;
use super::{Config, Parameter, Read, WeightSpec};
use crate::error::Result;
use crate::ops::{self, Activation, Given, Pass, Weights};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A gated recurrent unit over a sequence ([Keras](https://keras.io/api/layers/recurrent_layers/gru/), [Cho et al.,
/// 2014](https://arxiv.org/abs/1406.1078)): with the input x of a step,
///
/// z, r = σ(x·K + b + h·R + b′) of the gate's part each, n = φ(x·K + b + r·(h·R + b′)) of its part, h ← z·h + (1 − z)·n.
///
/// Input, output, masks and initial state are those of [`Recurrent`]. Weights: `cell/kernel` (features, 3 · units),
/// `cell/recurrent_kernel` (units, 3 · units), `cell/bias` (2, 3 · units), b above b′, the parts in the order z, r, n. Without
/// `reset_after` it is n = φ(x·K + (r·h)·R + b), and the bias is (3 · units). Defaults: φ tanh, σ sigmoid, with bias, reset
/// after the product, kernel Glorot uniform, recurrent kernel orthogonal, bias zeros.
pub type GRU = Recurrent<Gru>;

/// A step of a gated recurrent unit: see [`GRU`].
pub type GRUCell = RecurrentCell<Gru>;

/// The gates z and r and the state h.
#[derive(Clone, Copy, Debug)]
pub struct Gru {
    reset_after: bool,
}

impl GRU {
    /// A layer of `units`.
    pub fn new(units: usize) -> GRU {
        Recurrent::of(GRUCell::new(units))
    }

    /// Whether r multiplies the state's product rather than the state; by default it does.
    pub fn reset_after(mut self, reset_after: bool) -> GRU {
        self.cell = self.cell.reset_after(reset_after);
        self
    }
}

impl GRUCell {
    /// A cell of `units`.
    pub fn new(units: usize) -> GRUCell {
        RecurrentCell::of(Gru { reset_after: true }, units)
    }

    /// Whether r multiplies the state's product rather than the state; by default it does.
    pub fn reset_after(mut self, reset_after: bool) -> GRUCell {
        self.kind.reset_after = reset_after;
        self
    }
}

impl CellKind for Gru {
    const CLASSES: [&'static str; 2] = ["GRU", "GRUCell"];
    const GATES: usize = 3;
    const STATES: usize = 1;
    const GATED: bool = true;

    fn read(config: &Config) -> Result<Gru> {
        Ok(Gru { reset_after: config.flag("reset_after", true)? })
    }

    fn write(&self, config: &mut Config) {
        config.insert("reset_after".into(), self.reset_after.into());
    }

    fn bias(&self, parameter: &Parameter, units: usize) -> Result<WeightSpec> {
        parameter.spec(if self.reset_after { Shape::new(&[2, 3 * units])? } else { Shape::new(&[3 * units])? })
    }

    fn biases(&self, bias: Tensor) -> Result<(Tensor, Option<Tensor>)> {
        if !self.reset_after {
            return Ok((bias, None));
        }
        let row = |row: usize| bias.slice(0, row..row + 1)?.reshape(bias.shape().without(0));
        Ok((row(0)?, Some(row(1)?)))
    }

    fn kept(&self, steps: usize) -> usize {
        if self.reset_after { ops::Gru::kept(steps) } else { ops::ResetFirst::kept(steps) }
    }

    fn run(
        &self,
        x: &Tensor,
        weights: Weights,
        activations: [Activation; 2],
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)> {
        x.gru(weights, self.reset_after, activations, pass, given)
    }

    fn step(&self, parts: &Parts, states: &[&Tensor]) -> Result<States> {
        let h = states[0];
        let (z, r) = (parts.gate(0, h)?, parts.gate(1, h)?);
        let reset = match self.reset_after {
            true => r.mul(&(parts.product)(2, h)?)?,
            false => (parts.product)(2, &r.mul(h)?)?,
        };
        let n = parts.own(&(parts.sum)(2)?.add(&reset)?)?;
        Ok(States::from_elem(n.add(&z.mul(&h.sub(&n)?)?)?, 1))
    }
}

impl Gated for Gru {}
