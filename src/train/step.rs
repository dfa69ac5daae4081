//! One training step: forward, backward, clipping, optimizer, metrics. Nothing in it waits for the device.

use super::Trainer;
use crate::data::Dataset;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{ActivationFn, Precision, Updates};
use crate::model::{Graph, Mode};
use crate::ops::Generator;
use crate::optimizers::{Hyper, clip_scales};
use crate::tensor::{GradientTape, Tensor, Tensors, no_grad};
use smallvec::SmallVec;
use std::cell::RefCell;

/// A batch of samples.
pub type Batch = Dataset;

/// A user's step.
pub(super) type CustomStep = dyn Fn(&Running, &Batch) -> Result<Tensor> + Send + Sync;

/// A model in the middle of a step: its weights are watched, its random layers draw, its statistics follow.
pub struct Running<'a> {
    graph: &'a Graph,
    weights: &'a [Tensor],
    generator: &'a Generator,
    precision: Precision,
    updates: RefCell<Updates>,
}

impl Running<'_> {
    /// The outputs for a batch of inputs.
    ///
    /// # Errors
    /// Inputs of another number, shape or dtype.
    pub fn call(&self, inputs: &[&Tensor]) -> Result<Tensors> {
        self.call_logits(inputs, 0)
    }

    fn call_logits(&self, inputs: &[&Tensor], logits: u64) -> Result<Tensors> {
        let mode = Mode { training: true, precision: self.precision, generator: Some(self.generator), logits };
        self.graph.run(self.weights, inputs, mode, &mut self.updates.borrow_mut())
    }

    /// The random numbers of the step.
    pub fn generator(&self) -> &Generator {
        self.generator
    }
}

/// Lists that a step fills and the next one fills again.
#[derive(Default)]
pub(super) struct Scratch {
    watched: Vec<Tensor>,
    found: Vec<Option<Tensor>>,
    gradients: Vec<Tensor>,
}

impl Trainer {
    /// Trains on one batch, which lies on the trainer's device.
    ///
    /// # Errors
    /// Data that does not fit the model, a trainable weight that the loss does not depend on, a device that fails.
    pub fn train_on_batch(&mut self, batch: &Batch) -> Result<()> {
        let hyper: Hyper = self.optimizer.hyper(self.state.iteration, self.learning_rate);
        self.hyper.assign(&Tensor::from_slice(&hyper, [hyper.len()])?)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.run_step(batch, &mut scratch);
        scratch.watched.clear();
        scratch.found.clear();
        scratch.gradients.clear();
        self.scratch = scratch;
        result?;
        self.state.iteration += 1;
        Ok(())
    }

    /// The part of a step that runs on the device alone.
    pub(super) fn step(&mut self, batch: &Batch, scratch: &mut Scratch) -> Result<()> {
        let tape = GradientTape::new();
        scratch.watched.extend(self.model.weights.iter().cloned());
        for &i in &self.trainable {
            scratch.watched[i] = tape.watch(&self.model.weights[i])?;
        }
        let running = Running {
            graph: &self.model.graph,
            weights: &scratch.watched,
            generator: &self.generator,
            precision: self.model.precision,
            updates: RefCell::default(),
        };
        let mut outputs = Tensors::new();
        let loss = match &self.step {
            Some(step) => step(&running, batch)?,
            None => {
                let inputs: SmallVec<[&Tensor; 4]> = batch.inputs().iter().collect();
                outputs = running.call_logits(&inputs, self.logits)?;
                self.loss(batch, &outputs)?
            }
        };
        if loss.shape().size() != 1 {
            return Err(Error::shape("step", format!("expected a loss of one number, got shape {}", loss.shape())));
        }
        let updates = running.updates.into_inner();

        // Trainable weights were watched first and in order, so a gradient's node is its place among them.
        scratch.found.resize(self.trainable.len(), None);
        tape.walk(&loss, None, |node, gradient| scratch.found[node as usize] = Some(gradient))?;
        scratch.watched.clear();
        if scratch.found.iter().any(Option::is_none) {
            let missing = self.trainable.iter().zip(&scratch.found).filter(|(_, g)| g.is_none());
            let paths = missing.map(|(&i, _)| self.model.graph.weights[i].0.clone()).collect();
            return Err(Error::NoGradient { paths });
        }
        scratch.gradients.extend(scratch.found.drain(..).flatten());

        let scales = clip_scales(self.optimizer.settings(), &scratch.gradients)?;
        let weights = &mut self.model.weights;
        self.state.step(
            &*self.optimizer,
            weights,
            &self.trainable,
            &scratch.gradients,
            &self.hyper,
            scales.as_ref(),
        )?;
        for (place, value) in updates {
            self.model.weights[place].assign(&value.detach())?;
        }
        let samples = batch.len();
        no_grad(|| self.track(batch, &loss.detach(), &mut outputs, samples))?;
        self.generator.advance()
    }

    /// The sum of the outputs' losses, in f32.
    fn loss(&self, batch: &Batch, outputs: &[Tensor]) -> Result<Tensor> {
        if batch.targets().len() != outputs.len() || self.losses.len() != outputs.len() {
            let (targets, outputs) = (batch.targets().len(), outputs.len());
            return Err(Error::Data(format!(
                "the model has {outputs} outputs, {} losses and {targets} targets; each output needs one of both",
                self.losses.len()
            )));
        }
        let mut total: Option<Tensor> = None;
        for (i, ((loss, output), target)) in self.losses.iter().zip(outputs).zip(batch.targets()).enumerate() {
            let logits = self.logits >> i & 1 == 1 || loss.takes_logits();
            let output = widened(output)?;
            let one = loss.reduction().apply(&loss.call(target, &output, logits)?, None)?;
            total = Some(match total {
                None => one,
                Some(sum) => sum.add(&one)?,
            });
        }
        total.ok_or_else(|| Error::Config("there is no loss: give one to compile, or a step to with_step".into()))
    }

    /// Adds a batch to the running means of loss and metrics.
    pub(super) fn track(&mut self, batch: &Batch, loss: &Tensor, outputs: &mut Tensors, samples: usize) -> Result<()> {
        let [total, count] = &mut self.trackers.loss[..] else {
            return Err(Error::Internal("the loss keeps two numbers".into()));
        };
        let weighted = widened(loss)?.reshape(())?.mul_scalar(samples as f64)?;
        let (new_total, new_count) = (total.add(&weighted)?, count.add_scalar(samples as f64)?);
        total.assign(&new_total)?;
        count.assign(&new_count)?;
        if outputs.is_empty() {
            return Ok(());
        }
        let mut states = self.trackers.metrics.iter_mut();
        for (i, (metrics, output)) in self.metrics.iter().zip(outputs.iter_mut()).enumerate() {
            if metrics.is_empty() {
                continue;
            }
            let output = widened(&output.detach())?;
            let link = self.losses.get(i).and_then(|l| l.link()).filter(|_| self.logits >> i & 1 == 1);
            let prediction = link.map_or_else(|| Ok(output.clone()), |link: ActivationFn| link.call(&output))?;
            for metric in metrics {
                let Some(state) = states.next() else { break };
                let new = metric.update(state, &batch.targets()[i], &prediction, None)?;
                for (to, from) in state.iter_mut().zip(&new) {
                    to.assign(from)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a batch that was only looked at to the running means.
    pub(super) fn look(&mut self, batch: &Batch) -> Result<()> {
        no_grad(|| {
            let inputs: SmallVec<[&Tensor; 4]> = batch.inputs().iter().collect();
            let mode = Mode { training: false, precision: self.model.precision, generator: None, logits: self.logits };
            let mut outputs = self.model.graph.run(&self.model.weights, &inputs, mode, &mut Updates::new())?;
            let loss = self.loss(batch, &outputs)?;
            self.track(batch, &loss, &mut outputs, batch.len())
        })
    }
}

/// Losses and metrics are computed in f32 at least.
fn widened(x: &Tensor) -> Result<Tensor> {
    if matches!(x.dtype(), DType::F16 | DType::BF16) { x.cast(DType::F32) } else { Ok(x.clone()) }
}
