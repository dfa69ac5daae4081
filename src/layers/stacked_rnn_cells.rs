//! Cells one upon the other.

use super::traversal::{States, check_states, first};
use super::{Call, Config, Inner, Layer, LayerRef, Read, ReadLayer, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::Value;
use smallvec::SmallVec;

/// Cells of which each gets what the one before gives: one cell of a [`RNN`](super::RNN)
/// ([Keras](https://keras.io/api/layers/recurrent_layers/stacked_rnn_cell/)).
///
/// Input `(batch, …)` and the states of all cells in their order, output the last one's and the states after the step. Weights:
/// the cells', `cells/lstm_cell/kernel` and so on, numbered by class.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let cells = StackedRNNCells::new([LSTMCell::new(32).shared(), GRUCell::new(16).shared()]);
/// let y = RNN::new(cells).call(&Input::new([120, 14]))?;
/// assert_eq!(y.spec().to_string(), "(None, 16)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StackedRNNCells {
    cells: Vec<Inner>,
}

impl StackedRNNCells {
    /// These cells, the first at the bottom.
    pub fn new(cells: impl IntoIterator<Item = LayerRef>) -> StackedRNNCells {
        StackedRNNCells { cells: Inner::list("cells", cells) }
    }

    /// The cells that a Keras config describes, each read by `read`.
    pub(super) fn from_config(config: &Config, read: &mut ReadLayer) -> Result<StackedRNNCells> {
        let list = config.find("cells").and_then(Value::as_array);
        let list = list.ok_or_else(|| Error::Config("argument `cells`: expected a list of cells".into()))?;
        Ok(StackedRNNCells::new(list.iter().map(read).collect::<Result<Vec<_>>>()?))
    }

    /// Goes through the cells: each with its input and its states.
    fn each(&self, x: &Spec) -> Result<Vec<(&Inner, Vec<Spec>)>> {
        if self.cells.is_empty() {
            return Err(Error::Config("argument `cells`: expected at least one cell, got none".into()));
        }
        let mut x = x.clone();
        let each = self.cells.iter().map(|cell| {
            let states = states_of(cell, &x)?;
            let inputs: Vec<Spec> = std::iter::once(x.clone()).chain(states).collect();
            x = cell.output_spec(&inputs)?.swap_remove(0);
            Ok((cell, inputs))
        });
        each.collect()
    }

    /// How many states each cell has.
    pub(super) fn groups(&self, x: &Spec) -> Result<Vec<usize>> {
        Ok(self.each(x)?.iter().map(|(_, inputs)| inputs.len() - 1).collect())
    }
}

/// The states of a cell inside of a layer.
pub(super) fn states_of(cell: &Inner, x: &Spec) -> Result<Vec<Spec>> {
    cell.layer().layer().state_spec(x).ok_or_else(|| {
        let class = cell.layer().layer().class_name();
        Error::Config(format!("expected a cell, such as LSTMCell or one with a `state_spec`, got {class}"))
    })
}

impl Layer for StackedRNNCells {
    fn class_name(&self) -> &'static str {
        "StackedRNNCells"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let each = self.each(first(inputs)?)?;
        let states: Vec<Spec> = each.iter().flat_map(|(_, inputs)| inputs[1..].iter().cloned()).collect();
        check_states(&inputs[1..], &states)?;
        let top = each.last().map(|(cell, inputs)| cell.output_spec(inputs)).transpose()?;
        Ok(top.into_iter().flatten().take(1).chain(states).collect())
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let each = self.each(first(inputs)?)?.into_iter().map(|(cell, inputs)| cell.weights(&inputs));
        Ok(each.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let Some((&x, states)) = inputs.split_first() else { return Err(Error::Internal("no input".into())) };
        let (mut x, mut next, mut weight) = (x.clone(), States::new(), 0);
        let mut rest = states;
        for cell in &self.cells {
            let spec = Spec { dims: x.shape().iter().map(|&n| Some(n)).collect(), dtype: x.dtype() };
            let (own, others) = rest.split_at(states_of(cell, &spec)?.len().min(rest.len()));
            let inputs: SmallVec<[&Tensor; 4]> = std::iter::once(&x).chain(own.iter().copied()).collect();
            let (outputs, _) = cell.call(call, weight..weight + cell.count(), &inputs, &[])?;
            drop(inputs);
            let mut outputs = outputs.into_iter();
            x = outputs.next().ok_or_else(|| Error::Internal("a cell without an output".into()))?;
            next.extend(outputs);
            (rest, weight) = (others, weight + cell.count());
        }
        Ok(std::iter::once(x).chain(next).collect())
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        self.cells.iter().for_each(|cell| cell.write(&mut config));
        config
    }

    fn state_spec(&self, x: &Spec) -> Option<Vec<Spec>> {
        Some(self.each(x).ok()?.into_iter().flat_map(|(_, inputs)| inputs.into_iter().skip(1)).collect())
    }

    fn inner(&self) -> Vec<&Inner> {
        self.cells.iter().collect()
    }

    fn is_samplewise(&self, training: bool) -> bool {
        self.cells.iter().all(|cell| cell.layer().layer().is_samplewise(training))
    }
}
