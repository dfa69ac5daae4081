//! Saving a model in training.

use super::Trainer;
use crate::error::Result;
use crate::model::keras::{self, Training};
use std::collections::BTreeMap;
use std::path::Path;

impl Trainer {
    /// Writes the model, optimizer, losses, metrics and the optimizer's state to the `.keras` file `path`, atomically;
    /// Keras 3 opens it and goes on training.
    ///
    /// Where [`Trainer::with_step`] replaces the losses there is no compile config that Keras could read, so the model
    /// alone is written.
    ///
    /// # Errors
    /// A file that cannot be written; layers of names that Keras cannot tell apart.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let training = Training {
            optimizer: &*self.optimizer,
            iteration: self.state.iteration,
            slots: &self.state.slots,
            losses: &self.losses,
            loss_weights: None,
            metrics: &self.metrics,
        };
        let training = (!self.losses.is_empty()).then_some(training);
        keras::write(path, &self.model, training, &BTreeMap::new())
    }
}
