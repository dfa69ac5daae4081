//! A model in training, saved and gone on with.

use super::Trainer;
use super::step::CustomStep;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::layers::{Mixing, Precision};
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::model::keras::{self, Training, TrainingState};
use crate::ops::Generator;
use crate::optimizers::Optimizer;
use crate::tensor::Tensor;
use serde_json::{Value, json};
use std::path::Path;

/// The entry of a file that holds what Keras has no word for.
const OWN: &str = "uncrumple.json";
/// Its key for the words that keep weights from decaying.
const EXCLUDE: &str = "exclude_from_weight_decay";

impl Trainer {
    /// Writes the model, optimizer, losses, their weights, metrics and the optimizer's state to the `.keras` file
    /// `path`, atomically; Keras 3 opens it and goes on training. The learning rate is the one in force.
    ///
    /// A step of one's own is code and not written: [`Trainer::load`] needs it again. Where layers have optimizers of their
    /// own, for which the format has no place, the model is written without any, for [`Model::load`](crate::model::Model::load).
    ///
    /// # Errors
    /// A name that does not end in `.keras`; a file that cannot be written; layers of names that Keras cannot tell
    /// apart.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let words = &self.optimizer.settings().exclude_from_weight_decay;
        let own = json!({ "seed": self.seed, EXCLUDE: words }).to_string();
        match self.owns.is_empty() {
            true => keras::write(path, &self.model.clone().attach(OWN, own.into_bytes())?, Some(self.training())),
            false => self.model.save(path),
        }
    }

    /// How the model is being trained, for a file.
    pub(super) fn training(&self) -> Training<'_> {
        Training {
            optimizer: &*self.optimizer,
            iteration: self.state.iteration,
            slots: &self.state.slots,
            losses: &self.losses,
            loss_weights: self.loss_weights.as_deref(),
            metrics: &self.metrics,
        }
    }

    /// Goes on from the `.keras` file `path`, which [`Trainer::save`] or Keras 3 wrote: the model, optimizer, losses
    /// and metrics as they were, on the CPU ([`Trainer::on`] moves them).
    ///
    /// What [`Trainer::save`] wrote goes on with the same bits as if it had never stopped. Keras's random numbers are
    /// its own: dropout and shuffling start from seed 0.
    ///
    /// # Errors
    /// A file that is damaged, or names what this engine does not know; one that holds a model alone.
    pub fn load(path: impl AsRef<Path>) -> Result<Trainer> {
        let path = path.as_ref();
        let mut loaded = keras::read(path)?;
        let alone =
            || Error::file(path, "holds a model that was not compiled: open it with Model::load and compile it");
        let TrainingState { mut optimizer, iteration, slots, losses, loss_weights, metrics } =
            loaded.training.ok_or_else(alone)??;
        let mut seed = None;
        if let Some(own) = loaded.model.attachments.remove(OWN) {
            let own: Value = serde_json::from_slice(&own).unwrap_or_default();
            let damaged = || Error::file(path, format!("`{OWN}` does not say the seed"));
            seed = Some(own.get("seed").and_then(Value::as_i64).ok_or_else(damaged)?);
            let words = own.get(EXCLUDE).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let words = words.iter().filter_map(Value::as_str).map(String::from);
            optimizer.settings_mut().exclude_from_weight_decay = words.collect();
        }
        let mut trainer = Trainer::new(loaded.model, optimizer, losses, metrics)?;
        trainer.loss_weights = loss_weights;
        trainer.seed = seed.unwrap_or(trainer.seed);
        trainer.resume(iteration, &slots)?;
        Ok(trainer)
    }

    /// The same trainer with what is given instead of what it was compiled with. The state of the optimizer stays where
    /// the optimizer does, and a step of one's own where no losses are given.
    ///
    /// # Errors
    /// As [`Model::compile`](crate::model::Model::compile); an optimizer where a layer has one of its own.
    pub fn recompile(
        self,
        optimizer: Option<Box<dyn Optimizer>>,
        losses: Option<Vec<Box<dyn Loss>>>,
        metrics: Option<Vec<Vec<Box<dyn Metric>>>>,
    ) -> Result<Trainer> {
        let (own, stays) = (self.optimizer, optimizer.is_none());
        if let Some(part) = self.owns.first().filter(|_| !stays) {
            let message = format!("recompile: the layer `{}` has an optimizer of its own", part.name);
            return Err(Error::Config(format!("{message}: give the model to compile, and both optimizers again")));
        }
        let step = self.step.filter(|_| losses.is_none());
        let weights = self.loss_weights.filter(|_| losses.is_none());
        let (losses, metrics) = (losses.unwrap_or(self.losses), metrics.unwrap_or(self.metrics));
        let mut new = Trainer::new(self.model, optimizer.unwrap_or(own), losses, metrics)?;
        new.seed = self.seed;
        new.loss_weights = weights;
        new.captures = self.captures.map(|_| Default::default());
        let (iteration, slots) =
            if stays { (self.state.iteration, self.state.slots) } else { (0, new.state.slots.clone()) };
        if stays {
            new = new.with_owns(self.owns)?;
        }
        new.resume(iteration, &slots)?;
        Ok(new.stepping(step, self.mixing))
    }

    /// The same trainer with the step and the mixing of another of the same model.
    fn stepping(mut self, step: Option<Box<CustomStep>>, mixing: Option<Box<dyn Mixing>>) -> Trainer {
        if step.is_some() {
            self.trackers.losses.clear();
        }
        Trainer { step, mixing, ..self }
    }

    /// The same trainer, its layers computing in another precision.
    ///
    /// # Errors
    /// As [`Model::compile`](crate::model::Model::compile).
    pub fn precision(mut self, precision: Precision) -> Result<Trainer> {
        self.model = self.model.precision(precision);
        self.recompile(None, None, None)
    }

    /// The same trainer, on `device`.
    ///
    /// # Errors
    /// A device that fails.
    pub fn on(self, device: Device) -> Result<Trainer> {
        let mut moved = Trainer::new(self.model.on(device), self.optimizer, self.losses, self.metrics)?;
        moved.seed = self.seed;
        moved = moved.with_owns(self.owns)?;
        moved.resume(self.state.iteration, &self.state.slots)?;
        moved.loss_weights = self.loss_weights;
        moved.history = self.history;
        moved.captures = self.captures.map(|_| Default::default());
        Ok(moved.stepping(self.step, self.mixing))
    }

    /// Takes over an optimizer's state.
    pub(super) fn resume(&mut self, iteration: u64, slots: &[Vec<Tensor>]) -> Result<()> {
        let device = self.device().clone();
        let moved = |list: &Vec<Tensor>| list.iter().map(|t| t.copy()?.to_device(&device)).collect::<Result<_>>();
        self.state.slots = slots.iter().map(moved).collect::<Result<_>>()?;
        self.state.iteration = iteration;
        self.generator = Generator::at_step(self.seed, iteration as i64, &device)?;
        Ok(())
    }
}
