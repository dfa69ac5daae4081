//! A model that is run on a sequence a few steps at a time.

use super::{Graph, Mode, Model};
use crate::error::{Error, Result};
use crate::layers::{Steps, Updates};
use crate::tensor::{Tensor, no_grad};
use smallvec::SmallVec;
use std::cell::RefCell;

/// A model at work on one of its inputs a few steps at a time, while its other inputs stay: what its layers keep of the steps before,
/// and what it made of the inputs that stay. [`Model::incremental`] begins it.
#[derive(Debug)]
pub struct Incremental<'a> {
    model: &'a Model,
    weights: Vec<Tensor>,
    /// In the order of the graph's inputs; nothing where the sequence goes.
    inputs: Vec<Option<Tensor>>,
    calls: Calls,
    first: usize,
    logits: u64,
}

/// What the calls of a graph's layers keep, one for each.
#[derive(Debug)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug)]
enum Call {
    /// It reads what comes a few steps at a time.
    Grows(Box<Steps>),
    /// It does not: once it was made, these are its outputs.
    Stays(RefCell<Made>),
}

/// The outputs of a call with their masks.
pub(super) type Made = Vec<(Tensor, Option<Tensor>)>;

impl Calls {
    /// Those of a graph of which this input grows to so many steps; the name of a layer that cannot work so, if there is one.
    fn new(graph: &Graph, input: usize, capacity: usize) -> std::result::Result<Calls, String> {
        let mut grows: SmallVec<[bool; 64]> = (0..graph.inputs.len()).map(|i| i == input).collect();
        let mut calls = Vec::with_capacity(graph.steps.len());
        for step in &graph.steps {
            let read: SmallVec<[bool; 2]> = step.inputs.iter().map(|&i| grows[i]).collect();
            let any = read.contains(&true);
            grows.extend(step.outputs.clone().map(|_| any));
            let entry = &graph.layers[step.layer];
            // What has no axis behind the steps' has them for features.
            let has_steps = step.specs.iter().all(|spec| spec.rank() > 2);
            if any && !(has_steps && step.called.layer().stepwise(&read)) {
                return Err(entry.name.clone());
            }
            calls.push(if any {
                Call::Grows(Box::new(Steps::new(capacity, read)))
            } else {
                Call::Stays(RefCell::default())
            });
        }
        match graph.outputs.iter().all(|&output| grows[output]) {
            true => Ok(Calls { calls }),
            false => Err("an output that the sequence does not reach".into()),
        }
    }

    /// What a call keeps, if it reads what grows.
    pub(super) fn steps(&self, call: usize) -> Option<&Steps> {
        match self.calls.get(call) {
            Some(Call::Grows(steps)) => Some(steps),
            _ => None,
        }
    }

    /// Outputs and masks of a call that were made before.
    pub(super) fn made(&self, call: usize) -> Option<Made> {
        match self.calls.get(call) {
            Some(Call::Stays(made)) => Some(made.borrow().clone()).filter(|made| !made.is_empty()),
            _ => None,
        }
    }

    /// Keeps outputs and masks of a call that are the same each time.
    pub(super) fn keep(&self, call: usize, outputs: impl Iterator<Item = (Tensor, Option<Tensor>)>) {
        if let Some(Call::Stays(made)) = self.calls.get(call) {
            made.borrow_mut().extend(outputs);
        }
    }

    fn go_to(&mut self, first: usize) {
        for call in &mut self.calls {
            if let Call::Grows(steps) = call {
                steps.go_to(first);
            }
        }
    }

    fn reorder(&mut self, order: &Tensor) -> Result<()> {
        for call in &mut self.calls {
            match call {
                Call::Grows(steps) => steps.reorder(order)?,
                Call::Stays(made) => {
                    for (tensor, mask) in made.get_mut() {
                        *tensor = tensor.gather(order)?;
                        if let Some(mask) = mask {
                            *mask = mask.gather(order)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl Model {
    /// Begins a run on the input of number `input` a few steps at a time, `capacity` at most, where the others are these. `None`
    /// where a layer needs the whole sequence ([`Layer::stepwise`](crate::layers::Layer::stepwise)).
    ///
    /// # Errors
    /// Another number of inputs, a device that fails.
    pub fn incremental(&self, inputs: &[&Tensor], input: usize, capacity: usize) -> Result<Option<Incremental<'_>>> {
        let count = self.graph.inputs.len();
        if inputs.len() + 1 != count || input >= count {
            let message = format!("expected {} inputs beside the sequence, got {}", count - 1, inputs.len());
            return Err(Error::shape("incremental", message));
        }
        let Ok(calls) = Calls::new(&self.graph, input, capacity) else { return Ok(None) };
        let others = inputs.iter().map(|x| x.to_device(&self.device).map(Some)).collect::<Result<Vec<_>>>()?;
        let mut inputs = others;
        inputs.insert(input, None);
        let logits = u64::from(self.graph.output_activation(0).is_some());
        let weights = self.weights_on_device()?;
        Ok(Some(Incremental { model: self, weights, inputs, calls, first: 0, logits }))
    }
}

impl Incremental<'_> {
    /// The first output of the last of the next steps `(batch, steps)`, before its activation: `(batch, 1, …)`.
    ///
    /// # Errors
    /// More steps than were announced, what a layer answers.
    pub fn advance(&mut self, steps: &Tensor) -> Result<Tensor> {
        let steps = steps.to_device(&self.model.device)?;
        self.calls.go_to(self.first);
        let inputs: Vec<&Tensor> = self.inputs.iter().map(|x| x.as_ref().unwrap_or(&steps)).collect();
        let (graph, precision) = (&self.model.graph, self.model.precision);
        let mode = Mode { precision, logits: self.logits, ..Mode::INFERENCE };
        let (outputs, _) = no_grad(|| {
            let inputs = graph.cast(&inputs)?;
            let borrowed: Vec<&Tensor> = inputs.iter().collect();
            let (calls, updates) = (Some(&self.calls), &mut Updates::new());
            graph.run_calls(&self.weights, &borrowed, &[], mode, updates, calls, |_, outputs| Ok(outputs))
        })?;
        self.first += steps.shape().get(1).copied().unwrap_or(0);
        outputs.into_iter().next().ok_or_else(|| Error::Internal("a model has an output".into()))
    }

    /// How many steps there were.
    pub fn steps(&self) -> usize {
        self.first
    }

    /// Goes back to where there were no steps, for others; what was made of the inputs that stay is kept.
    pub fn restart(&mut self) {
        self.first = 0;
    }

    /// Puts the samples in another order, some of them several times perhaps: `order` has the old place of each, int32.
    ///
    /// # Errors
    /// Places that there are not.
    pub fn reorder(&mut self, order: &Tensor) -> Result<()> {
        let order = order.to_device(&self.model.device)?;
        no_grad(|| {
            for input in self.inputs.iter_mut().flatten() {
                *input = input.gather(&order)?;
            }
            self.calls.reorder(&order)
        })
    }
}
