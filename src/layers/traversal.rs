//! How layers with a state go through their sequences.

use super::{Argument, Call, Config, Layer, Mask, Read, Signature, Spec, WeightSpec, in_precision, mask};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::Zeros;
use crate::ops::Pass;
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;
use serde_json::json;
use smallvec::SmallVec;
use std::sync::Arc;

/// The arguments that all recurrent layers have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traversal {
    /// Whether the output is that of every step rather than of the last.
    pub return_sequences: bool,
    /// Whether the last states are outputs too.
    pub return_state: bool,
    /// Whether it begins at the last step.
    pub go_backwards: bool,
    /// Whether a batch begins with the states that the one before ended with.
    pub stateful: bool,
    /// Kept and without effect.
    pub unroll: bool,
    /// Whether the outputs of masked steps are 0 rather than those of the step before.
    pub zero_output_for_mask: bool,
    /// Whether outputs stand at their own time though it goes backwards; no argument of Keras's.
    pub in_time: bool,
}

/// A layer that goes through a sequence: what [`Bidirectional`](super::Bidirectional) goes with in both directions.
pub trait Traverse {
    /// How it does.
    fn traversal(&self) -> &Traversal;

    /// A layer of the same arguments that does so in another way.
    fn traversed(&self, traversal: Traversal) -> Arc<dyn Layer>;
}

/// The states of a step, or the gates of a cell.
pub(super) type States = SmallVec<[Tensor; 4]>;

impl Traversal {
    /// What a Keras config says.
    pub(super) fn read(config: &Config) -> Result<Traversal> {
        Ok(Traversal {
            return_sequences: config.flag("return_sequences", false)?,
            return_state: config.flag("return_state", false)?,
            go_backwards: config.flag("go_backwards", false)?,
            stateful: config.flag("stateful", false)?,
            unroll: config.flag("unroll", false)?,
            zero_output_for_mask: config.flag("zero_output_for_mask", false)?,
            in_time: false,
        })
    }

    /// Adds the arguments to a config.
    pub(super) fn write(&self, config: &mut Config) {
        let mut put = |name: &str, value: bool| drop(config.insert(name.into(), json!(value)));
        put("return_sequences", self.return_sequences);
        put("return_state", self.return_state);
        put("go_backwards", self.go_backwards);
        put("stateful", self.stateful);
        put("unroll", self.unroll);
        put("zero_output_for_mask", self.zero_output_for_mask);
    }

    /// The same for the ops.
    pub(super) fn pass(&self) -> Pass {
        Pass {
            sequences: self.return_sequences,
            backwards: self.go_backwards,
            reversed_output: self.go_backwards && !self.in_time,
            zero_output_for_mask: self.zero_output_for_mask,
        }
    }

    /// The specs of the outputs, where a step gives `output` and `states`; `inputs` are those of the layer, the first states
    /// among them if they are given.
    ///
    /// # Errors
    /// Another number of states than the cell has, or other shapes.
    pub(super) fn outputs(&self, inputs: &[Spec], output: Spec, states: Vec<Spec>) -> Result<Vec<Spec>> {
        let (x, given) = (first(inputs)?, &inputs[1..]);
        if !given.is_empty() {
            check_states(given, &states)?;
        }
        let mut y = output;
        if self.return_sequences {
            y.dims.insert(1, x.dims[1]);
        }
        Ok(std::iter::once(y).chain(if self.return_state { states } else { Vec::new() }).collect())
    }

    /// The weights that keep the states from batch to batch, if it is stateful.
    ///
    /// # Errors
    /// A batch whose size the data decides.
    pub(super) fn kept(&self, states: &[Spec]) -> Result<Vec<WeightSpec>> {
        if !self.stateful {
            return Ok(Vec::new());
        }
        let kept = |(number, state): (usize, &Spec)| {
            let name = if number == 0 { "rnn_state".into() } else { format!("rnn_state_{number}") };
            let shape = state.dims[0].and_then(|batch| state.shape(batch)).ok_or_else(|| {
                let message = "when using `stateful=True` in a RNN, the batch size must be static";
                Error::Config(format!("{message}, got states of shape {state}: make the input with Input::batch_shape"))
            })?;
            Ok(WeightSpec { state: true, ..WeightSpec::new(name, shape, Box::new(Zeros)).frozen() })
        };
        states.iter().enumerate().map(kept).collect()
    }

    /// The states before the first step: those that are given, else those that were kept, from the weight `first` on; none if
    /// they are 0.
    pub(super) fn initial(&self, call: &Call, given: &[&Tensor], first: usize) -> Result<States> {
        match self.stateful && given.is_empty() {
            true => (first..call.weights.len()).map(|i| in_precision(&call.latest(i)?, call.compute_dtype())).collect(),
            false => Ok(given.iter().map(|&state| state.clone()).collect()),
        }
    }

    /// Keeps the states after the last step, if it is stateful.
    pub(super) fn keep(&self, call: &mut Call, first: usize, states: &[Tensor]) -> Result<()> {
        for (i, state) in states.iter().enumerate().filter(|_| self.stateful) {
            call.update(first + i, state.detach().cast(DType::F32)?);
        }
        Ok(())
    }

    /// Goes through a sequence step by step: `step` gets a time and the states before it, and gives the output and the states
    /// after it. Where a step is masked, the output is the state of the number `shown` if not 0.
    pub(super) fn go(
        &self,
        steps: usize,
        mask: Option<&Tensor>,
        mut states: States,
        shown: usize,
        mut step: impl FnMut(usize, &[Tensor]) -> Result<(Tensor, States)>,
    ) -> Result<(Tensor, States)> {
        let mut outputs: SmallVec<[Tensor; 8]> = SmallVec::new();
        for place in 0..steps {
            let time = if self.go_backwards { steps - 1 - place } else { place };
            let (mut y, mut next) = step(time, &states)?;
            if let Some(mask) = mask {
                let counts = at(mask, time)?;
                let kept = |new: &Tensor, old: &Tensor| mask::beside(&counts, new.shape().rank())?.select(new, old);
                y = match self.zero_output_for_mask {
                    true => kept(&y, &Tensor::zeros(&y.device(), (), y.dtype())?)?,
                    false => kept(&y, &states[shown])?,
                };
                next = next.iter().zip(&states).map(|(new, old)| kept(new, old)).collect::<Result<_>>()?;
            }
            states = next;
            if !self.return_sequences {
                outputs.clear();
            }
            outputs.push(y);
        }
        if self.go_backwards && self.in_time {
            outputs.reverse();
        }
        if self.return_sequences {
            let with_time = |y: &Tensor| {
                let shape = y.shape();
                let extents: SmallVec<[usize; MAX_RANK]> =
                    [shape[0], 1].into_iter().chain(shape[1..].iter().copied()).collect();
                y.reshape(Shape::new(&extents)?)
            };
            let parts = outputs.iter().map(with_time).collect::<Result<SmallVec<[Tensor; 8]>>>()?;
            let parts: SmallVec<[&Tensor; 8]> = parts.iter().collect();
            outputs = SmallVec::from_elem(Tensor::concatenate(&parts, 1)?, 1);
        }
        let y =
            outputs.pop().ok_or_else(|| Error::Input("expected a sequence of at least one step, got none".into()))?;
        Ok((y, states))
    }

    /// Where the mask of an output comes from.
    pub(super) fn mask(&self, output: usize) -> Mask {
        if output == 0 && self.return_sequences { Mask::Of(0) } else { Mask::None }
    }
}

/// What recurrences are called on.
pub(super) const SEQUENCES: Signature = Signature::new(&[
    Argument::Input("sequences"),
    Argument::Inputs("initial_state"),
    Argument::Other("mask"),
    Argument::Other("training"),
]);

/// The input before the states that may follow it.
pub(super) fn first(inputs: &[Spec]) -> Result<&Spec> {
    inputs.first().ok_or_else(|| Error::Input("expected an input, got none".into()))
}

/// Checks that states are those of a cell.
pub(super) fn check_states(given: &[Spec], states: &[Spec]) -> Result<()> {
    let fits = |given: &Spec, state: &Spec| {
        let pairs = given.dims.iter().zip(&state.dims);
        given.rank() == state.rank() && pairs.into_iter().all(|(g, s)| g.is_none() || s.is_none() || g == s)
    };
    if given.len() == states.len() && given.iter().zip(states).all(|(g, s)| fits(g, s)) {
        return Ok(());
    }
    let list = |specs: &[Spec]| specs.iter().map(Spec::to_string).collect::<Vec<_>>().join(", ");
    let (states, given) = (list(states), list(given));
    Err(Error::Input(format!("expected states of shape {states} behind the input, got {given}")))
}

/// A step of a sequence `(batch, steps, …)`.
pub(super) fn at(x: &Tensor, time: usize) -> Result<Tensor> {
    x.slice(1, time..time + 1)?.reshape(x.shape().without(1))
}

/// The setters of a layer with the field `traversal`, and how it is [`Traverse`].
macro_rules! traversal_setters {
    () => {
        /// Whether the output is that of every step, `(batch, steps, …)`, rather than of the last; by default it is not.
        pub fn return_sequences(mut self, return_sequences: bool) -> Self {
            self.traversal.return_sequences = return_sequences;
            self
        }

        /// Whether the last states are outputs too, behind the output; by default they are not.
        /// [`LayerRef::call_all`](crate::layers::LayerRef::call_all) returns all outputs.
        pub fn return_state(mut self, return_state: bool) -> Self {
            self.traversal.return_state = return_state;
            self
        }

        /// Whether it goes from the last step to the first; by default it does not. The outputs are then in the order in
        /// which they are made, as in Keras: that of the last step stands first.
        pub fn go_backwards(mut self, go_backwards: bool) -> Self {
            self.traversal.go_backwards = go_backwards;
            self
        }

        /// Whether a batch begins with the states that the one before ended with, sample by sample; by default with 0. The
        /// size of the batch must be known ([`Input::batch_shape`](crate::layers::Input::batch_shape)). Training and
        /// evaluation move the states on, and so does [`Model::advance`](crate::model::Model::advance);
        /// [`Model::reset_state`](crate::model::Model::reset_state) sets them to 0.
        pub fn stateful(mut self, stateful: bool) -> Self {
            self.traversal.stateful = stateful;
            self
        }

        /// Kept in the config and without effect: steps are not parts of a graph here.
        pub fn unroll(mut self, unroll: bool) -> Self {
            self.traversal.unroll = unroll;
            self
        }

        /// Whether the outputs of masked steps are 0; by default they are those of the step before.
        pub fn zero_output_for_mask(mut self, zero_output_for_mask: bool) -> Self {
            self.traversal.zero_output_for_mask = zero_output_for_mask;
            self
        }
    };
}
pub(super) use traversal_setters;

/// What is the same in `impl Layer` of every layer with the field `traversal`.
macro_rules! traverses {
    () => {
        fn recurrent(&self) -> Option<&dyn $crate::layers::traversal::Traverse> {
            Some(self)
        }

        fn signature(&self) -> $crate::layers::Signature {
            $crate::layers::traversal::SEQUENCES
        }

        fn supports_masking(&self) -> bool {
            true
        }

        fn compute_mask(&self, output: usize, _: &[bool]) -> $crate::layers::Mask {
            self.traversal.mask(output)
        }
    };
}
pub(super) use traverses;
