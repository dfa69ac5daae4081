//! One training step: forward, backward, clipping, optimizer, metrics. Nothing in it waits for the device.

use super::Trainer;
use super::compile::loss_of;
use crate::data::Dataset;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{ActivationFn, Masks, Mixing, Precision, Updates};
use crate::losses::Reduction;
use crate::model::{Graph, Mode};
use crate::ops::Generator;
use crate::profile;
use crate::tensor::{GradientTape, Tensor, Tensors, no_grad};
use smallvec::SmallVec;
use std::cell::RefCell;

/// A batch of samples.
pub type Batch = Dataset;

/// A user's step.
pub(super) type CustomStep = dyn Fn(&Running, &Batch) -> Result<Tensor> + Send + Sync;

/// A model in the middle of a step: its weights are watched, its random layers draw, its statistics follow. Where the
/// step only looks, for an evaluation, it is in inference mode.
pub struct Running<'a> {
    pub(super) graph: &'a Graph,
    pub(super) weights: &'a [Tensor],
    pub(super) generator: &'a Generator,
    pub(super) precision: Precision,
    pub(super) training: bool,
    pub(super) updates: RefCell<Updates>,
}

impl Running<'_> {
    /// The outputs for a batch of inputs, which are converted to the dtypes that the model takes.
    ///
    /// # Errors
    /// Inputs of another number or shape.
    pub fn call(&self, inputs: &[&Tensor]) -> Result<Tensors> {
        self.call_before(inputs, [0, 0]).map(|(outputs, _)| outputs)
    }

    /// The same with the masks of the outputs, by which [`Reduction::mask`](crate::losses::Reduction::mask) weighs a loss.
    ///
    /// # Errors
    /// As [`Running::call`].
    pub fn call_masked(&self, inputs: &[&Tensor]) -> Result<(Tensors, Masks)> {
        self.call_before(inputs, [0, 0])
    }

    /// The outputs before their last activations: logits where those are sigmoid or softmax, of which
    /// [`Tensor::sigmoid_cross_entropy`] and its like are exact also where a probability is rounded to 0 or 1. What another
    /// layer reads too, or does not end with an activation, is as [`Running::call`] gives it.
    ///
    /// # Errors
    /// As [`Running::call`].
    pub fn call_logits(&self, inputs: &[&Tensor]) -> Result<Tensors> {
        let activated = |output: &usize| self.graph.output_activation(*output).is_some();
        let logits = (0..self.graph.outputs.len().min(64)).filter(activated).fold(0, |bits, i| bits | 1 << i);
        self.call_before(inputs, [logits, 0]).map(|(outputs, _)| outputs)
    }

    /// The same where some outputs are wanted before their last activation, and some before their head, as bits.
    fn call_before(&self, inputs: &[&Tensor], [logits, features]: [u64; 2]) -> Result<(Tensors, Masks)> {
        let (training, precision) = (self.training, self.precision);
        let mode = Mode { training, precision, generator: Some(self.generator), logits, features, ..Mode::INFERENCE };
        let inputs = self.graph.cast(inputs)?;
        let borrowed: SmallVec<[&Tensor; 4]> = inputs.iter().collect();
        self.graph.run_masked(self.weights, &borrowed, &[], mode, &mut self.updates.borrow_mut())
    }

    /// Hands the penalties to `add`: those on activations of the calls so far, and those on trainable weights.
    fn penalties(&self, mut add: impl FnMut(Tensor) -> Result<()>) -> Result<()> {
        if let Some(losses) = &mut self.updates.borrow_mut().losses {
            losses.drain(..).try_for_each(&mut add)?;
        }
        for ((path, spec), weight) in self.graph.weights.iter().zip(self.weights) {
            if let Some(regularizer) = spec.regularizer.as_ref().filter(|_| spec.trainable) {
                add(regularizer.penalty(weight).map_err(|e| e.in_layer(path))?)?;
            }
        }
        Ok(())
    }

    /// Whether the step trains; else it only looks.
    pub fn training(&self) -> bool {
        self.training
    }

    /// The random numbers of the step.
    pub fn generator(&self) -> &Generator {
        self.generator
    }
}

/// What a forward leaves: the loss that is minimised and, unless the step is one's own, the outputs and, where there
/// are several, the loss of each.
struct Forward {
    loss: Tensor,
    losses: Tensors,
    outputs: Tensors,
    /// Of the outputs.
    masks: Masks,
}

/// A batch with its images and labels mixed.
fn mixed(batch: &Batch, mixing: &dyn Mixing, generator: &Generator) -> Result<Batch> {
    let ([images], [labels]) = (batch.inputs(), batch.targets()) else {
        let (inputs, targets) = (batch.inputs().len(), batch.targets().len());
        return Err(Error::Config(format!(
            "mixing: expected one input of images and one target of labels, got {inputs} and {targets}"
        )));
    };
    let (images, labels) = mixing.mix(generator, images, Some(labels))?;
    let mut changed = std::iter::once(images).chain(labels);
    // The weights of samples stay.
    batch.map(batch.len(), |tensor| Ok(changed.next().unwrap_or_else(|| tensor.clone())))
}

/// Lists that a step fills and the next one fills again.
#[derive(Default)]
pub(super) struct Scratch {
    watched: Vec<Tensor>,
    found: Vec<Option<Tensor>>,
    gradients: Vec<Tensor>,
    updates: Updates,
}

impl Trainer {
    /// Trains on one batch, which lies on the trainer's device.
    ///
    /// Its loss and metrics join those of the batches before it in [`Trainer::logs`], until [`Trainer::reset_metrics`],
    /// [`Trainer::fit`] or [`Trainer::evaluate`] begins anew. Labels are not looked at: on a CUDA device one that is
    /// out of range makes the loss NaN.
    ///
    /// # Errors
    /// Data that does not fit the model, a trainable weight that the loss does not depend on, a device that fails. Of
    /// the data's errors the weights do not change.
    pub fn train_on_batch(&mut self, batch: &Batch) -> Result<()> {
        let _span = profile::step();
        self.check_trainable()?;
        self.prepare_step()?;
        let batch = &*batch.samples()?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.run_step(batch, &mut scratch);
        scratch.watched.clear();
        scratch.found.clear();
        scratch.gradients.clear();
        self.scratch = scratch;
        if result.is_err() {
            self.generator.rewind();
        }
        result?;
        self.count_step();
        Ok(())
    }

    /// The part of a step that runs on the device alone.
    pub(super) fn step(&mut self, batch: &Batch, scratch: &mut Scratch) -> Result<()> {
        let mixed = self.mixing.as_deref().map(|mixing| mixed(batch, mixing, &self.generator)).transpose()?;
        let batch = mixed.as_ref().unwrap_or(batch);
        let tape = GradientTape::new();
        scratch.watched.extend(self.model.weights.iter().cloned());
        for &i in &self.trainable {
            scratch.watched[i] = tape.watch(&self.model.weights[i])?;
        }
        let updates = std::mem::take(&mut scratch.updates).with_losses();
        let running = Running {
            graph: &self.model.graph,
            weights: &scratch.watched,
            generator: &self.generator,
            precision: self.model.precision,
            training: true,
            updates: RefCell::new(updates),
        };
        let span = profile::phase("forward");
        let forward = self.forward(&running, batch)?;
        drop(span);
        let mut updates = running.updates.into_inner();

        let span = profile::phase("backward");
        // Trainable weights were watched first and in order, so a gradient's node is its place among them.
        scratch.found.resize(self.trainable.len(), None);
        let scale = self.optimizer.settings().loss_scale_factor;
        let seed =
            scale.map(|scale| Tensor::full(&forward.loss.device(), forward.loss.shape(), forward.loss.dtype(), scale));
        tape.walk(&forward.loss, seed.transpose()?, |node, gradient| scratch.found[node as usize] = Some(gradient))?;
        scratch.watched.clear();
        if scratch.found.iter().any(Option::is_none) {
            let missing = self.trainable.iter().zip(&scratch.found).filter(|(_, g)| g.is_none());
            let paths = missing.map(|(&i, _)| self.model.graph.weights[i].0.clone()).collect();
            return Err(Error::NoGradient { paths });
        }
        scratch.gradients.extend(scratch.found.drain(..).flatten());

        drop(span);
        let span = profile::phase("metrics");
        // Before anything changes: targets that do not fit a metric leave the weights alone.
        no_grad(|| self.track(batch, &forward))?;
        drop(forward);
        drop(span);
        let _span = profile::phase("optimizer");
        self.apply_gradients(&scratch.gradients)?;
        for &i in &self.trainable {
            if let Some(constraint) = &self.model.graph.weights[i].1.constraint {
                let held = no_grad(|| constraint.apply(&self.model.weights[i]))?;
                self.model.weights[i].assign(&held)?;
            }
        }
        for (place, value) in updates.values.drain(..) {
            self.model.weights[place].assign(&value.detach())?;
        }
        scratch.updates = updates;
        self.generator.advance()
    }

    /// The forward of a batch, by one's own step if there is one.
    fn forward(&self, running: &Running, batch: &Batch) -> Result<Forward> {
        let mut forward = match &self.step {
            Some(step) => {
                let (losses, outputs, masks) = (Tensors::new(), Tensors::new(), Masks::new());
                Forward { loss: step(running, batch)?, losses, outputs, masks }
            }
            None => {
                let inputs: SmallVec<[&Tensor; 4]> = batch.inputs().iter().collect();
                let heads = self.heads.iter().enumerate().filter(|(_, head)| head.is_some());
                let features = heads.fold(0, |bits, (i, _)| bits | 1 << i);
                let (outputs, masks) = running.call_before(&inputs, [self.logits, features])?;
                let _span = profile::layer("(loss)");
                let (loss, losses) = self.loss(batch, running.weights, &outputs, &masks)?;
                Forward { loss, losses, outputs, masks }
            }
        };
        match forward.loss.shape() {
            shape if shape.size() == 1 => {
                running.penalties(|penalty| {
                    forward.loss = forward.loss.add(&penalty)?;
                    Ok(())
                })?;
                Ok(forward)
            }
            shape => Err(Error::shape("step", format!("expected a loss of one number, got shape {shape}"))),
        }
    }

    /// The weighted sum of the outputs' losses, in f32, and where there are several each of them without its weight.
    fn loss(
        &self,
        batch: &Batch,
        weights: &[Tensor],
        outputs: &[Tensor],
        masks: &[Option<Tensor>],
    ) -> Result<(Tensor, Tensors)> {
        if batch.targets().len() != outputs.len() {
            let (targets, outputs) = (batch.targets().len(), outputs.len());
            return Err(Error::Data(format!(
                "the model has {outputs} outputs and the data {targets} targets; each output needs one"
            )));
        }
        let mut total: Option<Tensor> = None;
        let mut losses = Tensors::new();
        for (i, (output, target)) in outputs.iter().zip(batch.targets()).enumerate() {
            let Some(loss) = loss_of(&self.losses, i) else { break };
            let logits = self.logits >> i & 1 == 1 || loss.takes_logits();
            let masked = weights_of(loss.reduction(), masks.get(i), batch.weights(i))?;
            let samples = masked.as_ref().or(batch.weights(i));
            let mut one = match self.heads.get(i) {
                Some(Some(head)) => head.loss(loss, weights, (output, target), samples)?,
                _ => loss.reduction().apply(&loss.call(target, &widened(output)?, logits)?, samples)?,
            };
            if outputs.len() > 1 {
                losses.push(one.detach());
            }
            if let Some(weight) = self.loss_weights.as_ref().and_then(|w| w.get(i)).filter(|w| **w != 1.0) {
                one = one.mul_scalar(*weight)?;
            }
            total = Some(match total {
                None => one,
                Some(sum) => sum.add(&one)?,
            });
        }
        let none = || Error::Config("there is no loss: give one to compile, or a step to with_step".into());
        Ok((total.ok_or_else(none)?, losses))
    }

    /// Adds a batch to the running means of loss and metrics.
    fn track(&mut self, batch: &Batch, forward: &Forward) -> Result<()> {
        let samples = batch.len() as f64;
        let add = |total: &mut Tensor, loss: &Tensor| {
            let new = total.add(&widened(&loss.detach())?.reshape(())?.mul_scalar(samples)?)?;
            total.assign(&new)
        };
        let [total, count] = &mut self.trackers.loss[..] else {
            return Err(Error::Internal("the loss keeps two numbers".into()));
        };
        add(total, &forward.loss)?;
        let new_count = count.add_scalar(samples)?;
        count.assign(&new_count)?;
        let mut each = self.trackers.losses.iter_mut().zip(&forward.losses);
        each.try_for_each(|(total, loss)| add(total, loss))?;
        let mut states = self.trackers.metrics.iter_mut();
        for (i, (metrics, output)) in self.metrics.iter().zip(&forward.outputs).enumerate() {
            if metrics.is_empty() {
                continue;
            }
            let output = widened(&output.detach())?;
            let link = loss_of(&self.losses, i).and_then(|l| l.link()).filter(|_| self.logits >> i & 1 == 1);
            let prediction = link.map_or_else(|| Ok(output.clone()), |link: ActivationFn| link.call(&output))?;
            for metric in metrics {
                let Some(state) = states.next() else { break };
                let weights = batch.weights(i).filter(|_| metric.is_weighted());
                let mask = forward.masks.get(i).filter(|_| metric.is_masked());
                let masked = weights_of(Reduction::Sum, mask, weights)?;
                let new = metric.update(state, &batch.targets()[i], &prediction, masked.as_ref().or(weights))?;
                for (to, from) in state.iter_mut().zip(&new) {
                    to.assign(from)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a batch that was only looked at to the running means. What it draws the next step draws again, if the generator is
    /// rewound before.
    pub(super) fn look(&mut self, batch: &Batch) -> Result<()> {
        no_grad(|| {
            let running = Running {
                graph: &self.model.graph,
                weights: &self.model.weights,
                generator: &self.generator,
                precision: self.model.precision,
                training: false,
                updates: RefCell::new(Updates::new().with_losses()),
            };
            let forward = self.forward(&running, batch);
            let updates = running.updates.into_inner();
            self.track(batch, &forward?)?;
            self.model.update(updates)
        })
    }
}

/// The weights that an output's mask makes of those of the samples; `None` where it has no mask.
fn weights_of(reduction: Reduction, mask: Option<&Option<Tensor>>, weights: Option<&Tensor>) -> Result<Option<Tensor>> {
    mask.and_then(Option::as_ref).map(|mask| reduction.mask(mask, weights)).transpose()
}

/// Losses and metrics are computed in f32 at least.
fn widened(x: &Tensor) -> Result<Tensor> {
    if matches!(x.dtype(), DType::F16 | DType::BF16) { x.cast(DType::F32) } else { Ok(x.clone()) }
}
