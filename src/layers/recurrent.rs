//! Layers that go through a sequence with a state, in one piece.

use super::parameter::parameter_setters;
use super::recurrent_cell::{CellKind, Gated, RecurrentCell, cell_setters};
use super::rnn::by_steps;
use super::traversal::{States, Traversal, Traverse, first, traversal_setters, traverses};
use super::{ActivationFn, Call, Config, Layer, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::ops::{Given, Weights, on_card};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use smallvec::SmallVec;
use std::sync::Arc;

/// A recurrence with a cell of the kind `K`: what [`LSTM`](super::LSTM), [`GRU`](super::GRU) and
/// [`SimpleRNN`](super::SimpleRNN) are.
///
/// Input `(batch, steps, features)` of a floating-point dtype, and behind it the states before the first step, `(batch, units)`
/// each, if they are not to be 0: `layer.call([&x, &h])`. Output `(batch, units)`, with `return_sequences` `(batch, steps,
/// units)`, and with `return_state` the states after the last step behind it. Steps that the input's mask `(batch, steps)`
/// leaves out do not change the state; as in Keras 3.15, a call with first states looks at no mask, and hands it on. What
/// dropout drops is drawn from the model's random numbers; a `seed` in a Keras config is kept and not used. Weights, of the
/// cell: `cell/kernel` (features, gates · units), `cell/recurrent_kernel` (units, gates · units), `cell/bias`.
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

impl<K: CellKind> Traverse for Recurrent<K> {
    fn traversal(&self) -> &Traversal {
        &self.traversal
    }

    fn traversed(&self, traversal: Traversal) -> Arc<dyn Layer> {
        Arc::new(Recurrent { traversal, ..self.clone() })
    }
}

impl<K: CellKind> Layer for Recurrent<K> {
    fn class_name(&self) -> &'static str {
        K::CLASSES[0]
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = first(inputs)?;
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
        let x = first(inputs)?;
        let inside = |w: WeightSpec| WeightSpec { name: format!("cell/{}", w.name), ..w };
        let cell = self.cell.weights_for(x.known(-1)?)?.into_iter().map(inside);
        Ok(cell.chain(self.traversal.kept(&vec![self.cell.state(x); K::STATES])?).collect())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let Some((x, given)) = inputs.split_first() else { return Err(Error::Internal("no input".into())) };
        let activations = self.cell.activations()?;
        // A card has kernels for the usual ones.
        if !x.device().is_cpu() && !activations.into_iter().all(on_card) {
            let dims = vec![Some(x.shape()[0]), Some(self.cell.units)];
            let states = vec![Spec { dims, dtype: x.dtype() }; K::STATES];
            let cell = |call: &mut Call, inputs: &[&Tensor]| self.cell.forward(call, inputs);
            return by_steps(&self.traversal, call, (x, given), (self.cell.count(), 0), &states, cell);
        }
        let bias = if self.cell.use_bias { Some(call.weight(2)?) } else { None };
        let (dropout, kept) = (self.cell.kept(call, x)?, self.cell.count());
        let shape = Shape::new(&[K::STATES, x.shape()[0], self.cell.units])?;
        let (x, kernel) = self.cell.input(call, x, call.weight(0)?)?;
        let initial = match &self.traversal.initial(call, given, kept)?[..] {
            [] => None,
            [one] => Some(one.reshape(shape)?),
            several => {
                Some(Tensor::concatenate(&several.iter().collect::<SmallVec<[&Tensor; 4]>>(), 0)?.reshape(shape)?)
            }
        };
        let given = Given {
            initial: initial.as_ref(),
            // As in Keras, a call with first states is given no mask.
            mask: call.mask(0).filter(|_| given.is_empty()),
            dropout: dropout.as_ref().map(|(kept, scale)| (kept, *scale)),
        };
        let recurrent_kernel = &call.weight(1)?;
        let weights = Weights { kernel: &kernel, recurrent_kernel, bias: bias.as_ref() };
        let (y, last) = self.cell.kind.run(&x, weights, activations, self.traversal.pass(), given)?;
        let mut outputs = Tensors::from_elem(y, 1);
        if self.traversal.return_state || self.traversal.stateful {
            let state = |i: usize| last.slice(0, i..i + 1)?.reshape(last.shape().without(0));
            let states = (0..K::STATES).map(state).collect::<Result<States>>()?;
            self.traversal.keep(call, kept, &states)?;
            outputs.extend(states.into_iter().filter(|_| self.traversal.return_state));
        }
        Ok(outputs)
    }

    fn kept_spec(&self, inputs: &[Spec]) -> Vec<Spec> {
        let Some(x) = inputs.first() else { return Vec::new() };
        let rows = x.dims[1].map(|steps| self.cell.kind.kept(steps));
        vec![Spec { dims: vec![x.dims[0], rows, Some(self.cell.units)], dtype: x.dtype }]
    }

    fn config(&self) -> Config {
        let mut config = self.cell.arguments();
        if !K::GATED {
            // Keras's SimpleRNN writes none.
            config.remove("seed");
        }
        self.traversal.write(&mut config);
        config
    }

    traverses!();

    fn is_samplewise(&self, _: bool) -> bool {
        !self.traversal.stateful
    }
}
