//! How layers with a state go through their sequences.

use super::{Config, Mask, Read, Spec};
use crate::error::{Error, Result};
use crate::ops::Pass;
use serde_json::json;

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

impl Traversal {
    /// What a Keras config says.
    pub fn read(config: &Config) -> Result<Traversal> {
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
    pub fn write(&self, config: &mut Config) {
        let mut put = |name: &str, value: bool| drop(config.insert(name.into(), json!(value)));
        put("return_sequences", self.return_sequences);
        put("return_state", self.return_state);
        put("go_backwards", self.go_backwards);
        put("stateful", self.stateful);
        put("unroll", self.unroll);
        put("zero_output_for_mask", self.zero_output_for_mask);
    }

    /// The same for the ops.
    pub fn pass(&self) -> Pass {
        Pass {
            sequences: self.return_sequences,
            backwards: self.go_backwards,
            reversed_output: self.go_backwards && !self.in_time,
            zero_output_for_mask: self.zero_output_for_mask,
        }
    }

    /// The specs of the outputs for an input of which a step gives `output` and `states`; `inputs` are those of the layer,
    /// the first states among them if they are given.
    ///
    /// # Errors
    /// Another number of states than the cell has, or other shapes.
    pub fn outputs(&self, inputs: &[Spec], output: Spec, states: Vec<Spec>) -> Result<Vec<Spec>> {
        let Some((x, given)) = inputs.split_first() else { return Err(Error::Input("expected an input".into())) };
        let fits = |given: &Spec, state: &Spec| {
            let pairs = given.dims.iter().zip(&state.dims);
            given.rank() == state.rank() && pairs.into_iter().all(|(g, s)| g.is_none() || s.is_none() || g == s)
        };
        let fit = given.len() == states.len() && given.iter().zip(&states).all(|(g, s)| fits(g, s));
        if !(given.is_empty() || fit) {
            let list = |specs: &[Spec]| specs.iter().map(Spec::to_string).collect::<Vec<_>>().join(", ");
            let (states, given) = (list(&states), list(given));
            return Err(Error::Input(format!("expected initial states of shape {states}, got {given}")));
        }
        let mut y = output;
        if self.return_sequences {
            y.dims.insert(1, x.dims[1]);
        }
        Ok(std::iter::once(y).chain(if self.return_state { states } else { Vec::new() }).collect())
    }

    /// Where the mask of an output comes from.
    pub fn mask(&self, output: usize) -> Mask {
        if output == 0 && self.return_sequences { Mask::Of(0) } else { Mask::None }
    }
}

/// The setters of a layer with the field `traversal`.
macro_rules! traversal_setters {
    () => {
        /// Whether the output is that of every step, `(batch, steps, …)`, rather than of the last; by default it is not.
        pub fn return_sequences(mut self, return_sequences: bool) -> Self {
            self.traversal.return_sequences = return_sequences;
            self
        }

        /// Whether the last states are outputs too, behind the output; by default they are not. All outputs are those of
        /// [`LayerRef::call_all`](crate::layers::LayerRef::call_all).
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
