//! What looks on while a model trains.

use super::{Logs, Trainer};
use crate::error::Result;
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// The epoch, from 0.
    pub number: usize,
    /// How many there will be.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Samples of a batch.
    pub batch_size: usize,
    /// Samples of an epoch.
    pub samples: usize,
}

/// Whether a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It goes on.
    Continue,
    /// It ends: with this epoch, or after a step at once, and then the epoch has no figures.
    Stop,
}

/// What a callback must know to go on in another process.
#[derive(Debug, Default)]
pub struct CallbackState {
    /// Numbers by name.
    pub values: BTreeMap<String, f64>,
    /// Tensors.
    pub tensors: Vec<Tensor>,
}

impl CallbackState {
    /// Whether there is nothing to know.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.tensors.is_empty()
    }

    /// A number that counts something; 0 where it is missing or counts nothing.
    pub fn count(&self, name: &str) -> usize {
        self.values.get(name).map_or(0, |&count| count as u32 as usize)
    }
}

/// Is called while a model trains. All methods do nothing unless written anew.
///
/// Reading figures or weights waits for the device, so what is called at each step should do it seldom:
/// [`Trainer::logs`] is the figures so far.
#[allow(unused_variables)]
pub trait Callback: Send {
    /// Before the first epoch.
    fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        Ok(())
    }

    /// Before an epoch; for one that [`Fit::backup`](super::Fit::backup) was left in the midst of, once more.
    fn on_epoch_begin(&mut self, trainer: &mut Trainer, epoch: &Epoch) -> Result<()> {
        Ok(())
    }

    /// After a step, the `step`-th of the epoch from 0.
    fn on_step_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, step: usize) -> Result<Control> {
        Ok(Control::Continue)
    }

    /// After an epoch and its validation.
    fn on_epoch_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, logs: &Logs) -> Result<Control> {
        Ok(Control::Continue)
    }

    /// After the last epoch.
    fn on_train_end(&mut self, trainer: &mut Trainer) -> Result<()> {
        Ok(())
    }

    /// What a backup calls it: its type.
    fn name(&self) -> &'static str {
        let path = std::any::type_name::<Self>();
        let path = path.split_once('<').map_or(path, |(path, _)| path);
        path.rsplit_once("::").map_or(path, |(_, name)| name)
    }

    /// What [`Fit::backup`](super::Fit::backup) keeps of the callback.
    fn state(&self) -> Result<CallbackState> {
        Ok(CallbackState::default())
    }

    /// Takes over what [`Callback::state`] returned, after [`Callback::on_train_begin`] of a run that goes on.
    fn restore(&mut self, state: CallbackState) -> Result<()> {
        Ok(())
    }
}
