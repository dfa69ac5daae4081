//! Stopping when nothing improves.

use super::Monitor;
use crate::error::{Error, Result};
use crate::tensor::{Meta, Tensor};
use crate::train::{Callback, CallbackState, Control, Epoch, Logs, Trainer};

/// Ends training once a figure has not improved for some epochs.
///
/// Without more it watches `val_loss` and stops after the first epoch that does not improve it, as Keras's
/// [EarlyStopping](https://keras.io/api/callbacks/early_stopping/) does; the first epoch of all never stops it. NaN is
/// no improvement.
///
/// ```
/// use uncrumple::prelude::*;
/// let stop = EarlyStopping::new().monitor("val_accuracy").patience(3).restore_best_weights();
/// ```
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    baseline: Option<f64>,
    start_from_epoch: usize,
    restore_best_weights: bool,
    waited: usize,
    best_weights: Option<Vec<Tensor>>,
    /// What the weights of the model are.
    shapes: Vec<Meta>,
}

impl EarlyStopping {
    /// Watches `val_loss` with a patience of 0.
    #[allow(clippy::new_without_default)]
    pub fn new() -> EarlyStopping {
        EarlyStopping {
            monitor: Monitor::new("val_loss"),
            patience: 0,
            baseline: None,
            start_from_epoch: 0,
            restore_best_weights: false,
            waited: 0,
            best_weights: None,
            shapes: Vec::new(),
        }
    }

    /// Epochs without improvement before training ends; 0 unless told otherwise.
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// What the figure must be better than, beside the best one, for the patience to begin anew; nothing unless told
    /// otherwise.
    pub fn baseline(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self
    }

    /// Epochs that only warm up, in which nothing is watched; 0 unless told otherwise.
    pub fn start_from_epoch(mut self, epochs: usize) -> Self {
        self.start_from_epoch = epochs;
        self
    }

    /// Puts the weights of the best epoch back when training ends, for whichever reason; those of the first that is
    /// watched while no figure is better.
    pub fn restore_best_weights(mut self) -> Self {
        self.restore_best_weights = true;
        self
    }
}

watches!(EarlyStopping, min_delta: "0");

impl Callback for EarlyStopping {
    fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        self.monitor.begin(trainer.figures())?;
        self.waited = 0;
        self.best_weights = None;
        self.shapes = trainer.model().weights.iter().map(Tensor::meta).collect();
        Ok(())
    }

    fn on_epoch_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, logs: &Logs) -> Result<Control> {
        if epoch.number < self.start_from_epoch {
            return Ok(Control::Continue);
        }
        self.waited += 1;
        let improves = self.monitor.improves(logs)?;
        if self.restore_best_weights && (improves || self.best_weights.is_none()) {
            self.best_weights = Some(trainer.weights()?);
        }
        if improves {
            if self.monitor.is_beyond(logs, self.baseline)? {
                self.waited = 0;
            }
            return Ok(Control::Continue);
        }
        let stop = self.waited >= self.patience && epoch.number > 0;
        Ok(if stop { Control::Stop } else { Control::Continue })
    }

    fn on_train_end(&mut self, trainer: &mut Trainer) -> Result<()> {
        self.best_weights.take().map_or(Ok(()), |weights| trainer.set_weights(&weights))
    }

    fn state(&self) -> Result<CallbackState> {
        let mut values = self.monitor.state();
        values.insert("waited".to_string(), self.waited as f64);
        Ok(CallbackState { values, tensors: self.best_weights.clone().unwrap_or_default() })
    }

    fn restore(&mut self, state: CallbackState) -> Result<()> {
        self.monitor.restore(&state);
        self.waited = state.count("waited");
        if self.restore_best_weights && !state.tensors.is_empty() {
            if !state.tensors.iter().map(Tensor::meta).eq(self.shapes.iter().copied()) {
                return Err(Error::Data("the best weights are those of another model".into()));
            }
            self.best_weights = Some(state.tensors);
        }
        Ok(())
    }
}
