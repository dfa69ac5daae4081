//! Layers that go through a sequence with a state, in one piece.

use super::parameter::parameter_setters;
use super::recurrent_cell::{CellKind, Gated, RecurrentCell, cell_setters};
use super::traversal::{Traversal, traversal_setters};
use super::{ActivationFn, Call, Config, Layer, Mask, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::ops::{Given, Weights};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use smallvec::SmallVec;

/// A recurrence with a cell of the kind `K`: what [`LSTM`](super::LSTM), [`GRU`](super::GRU) and
/// [`SimpleRNN`](super::SimpleRNN) are.
///
/// Input `(batch, steps, features)` of a floating-point dtype, and behind it the states before the first step, `(batch, units)`
/// each, if they are not to be 0: `layer.call([&x, &h])`. Output `(batch, units)`, with `return_sequences` `(batch, steps,
/// units)`, and with `return_state` the states after the last step behind it. Steps that the input's mask `(batch, steps)` leaves
/// out do not change the state. Weights, of the cell: `cell/kernel` (features, gates · units), `cell/recurrent_kernel` (units,
/// gates · units), `cell/bias`.
#[derive(Clone, Debug)]
pub struct Recurrent<K> {
    pub(super) cell: RecurrentCell<K>,
    traversal: Traversal,
}

impl<K: CellKind> Recurrent<K> {
    pub(super) fn of(cell: RecurrentCell<K>) -> Self {
        Recurrent { cell, traversal: Traversal::default() }
    }

    cell_setters!([cell]);
    traversal_setters!();

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        Ok(Recurrent { cell: RecurrentCell::from_config(config)?, traversal: Traversal::read(config)? })
    }
}

impl<K: Gated> Recurrent<K> {
    /// The activation of the gates; by default the sigmoid.
    pub fn recurrent_activation(mut self, activation: impl Into<ActivationFn>) -> Self {
        self.cell = self.cell.recurrent_activation(activation);
        self
    }
}

/// The one state among all, `(states, batch, units)`.
fn state(states: &Tensor, place: usize) -> Result<Tensor> {
    states.slice(0, place..place + 1)?.reshape(states.shape().without(0))
}

impl<K: CellKind> Layer for Recurrent<K> {
    fn class_name(&self) -> &'static str {
        K::CLASSES[0]
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let Some(x) = inputs.first() else { return Err(Error::Input("expected an input".into())) };
        x.require_float()?;
        if x.rank() != 3 {
            return Err(Error::Input(format!("expected 3 axes (batch, steps, features), got shape {x}")));
        }
        x.known(-1)?;
        self.cell.check()?;
        self.cell.activations()?;
        let state = self.cell.state(x);
        self.traversal.outputs(inputs, state.clone(), vec![state; K::STATES])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let weights = self.cell.weights(inputs[0].known(-1)?)?.into_iter();
        Ok(weights.map(|w| WeightSpec { name: format!("cell/{}", w.name), ..w }).collect())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let Some((x, given)) = inputs.split_first() else { return Err(Error::Internal("no input".into())) };
        let (bias, recurrent_bias) = self.cell.biases(call, 0)?;
        let dropout = self.cell.kept(call, x)?;
        let (x, kernel) = self.cell.input(call, x, call.weight(0)?)?;
        let initial = match given {
            [] => None,
            states => {
                let (states, shape) = (states.iter().copied().collect::<SmallVec<[&Tensor; 2]>>(), states[0].shape());
                let shape = Shape::new(&[K::STATES, shape[0], shape[1]])?;
                Some(Tensor::concatenate(&states, 0)?.reshape(shape)?)
            }
        };
        let given = Given {
            initial: initial.as_ref(),
            mask: call.mask(0),
            dropout: dropout.as_ref().map(|(kept, scale)| (kept, *scale)),
        };
        let recurrent_kernel = &call.weight(1)?;
        let (bias, recurrent_bias) = (bias.as_ref(), recurrent_bias.as_ref());
        let weights = Weights { kernel: &kernel, recurrent_kernel, bias, recurrent_bias };
        let (y, states) = self.cell.kind.run(&x, weights, self.cell.activations()?, self.traversal.pass(), given)?;
        let mut outputs = Tensors::from_elem(y, 1);
        if self.traversal.return_state {
            for place in 0..K::STATES {
                outputs.push(state(&states, place)?);
            }
        }
        Ok(outputs)
    }

    fn config(&self) -> Config {
        let mut config = self.cell.config();
        self.traversal.write(&mut config);
        config
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn compute_mask(&self, output: usize, _: &[bool]) -> Mask {
        self.traversal.mask(output)
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
