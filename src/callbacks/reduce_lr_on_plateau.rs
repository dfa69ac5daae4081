//! Smaller steps when nothing improves.

use super::Monitor;
use crate::error::{Error, Result};
use crate::train::{Callback, CallbackState, Control, Epoch, Logs, Trainer};

/// Multiplies the learning rate by a factor once a figure has not improved for some epochs: Keras's
/// [ReduceLROnPlateau](https://keras.io/api/callbacks/reduce_lr_on_plateau/).
///
/// Without more it watches `val_loss`, for 10 epochs, and divides by 10. An optimizer whose learning rate is a schedule
/// refuses it.
pub struct ReduceLROnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    cooldown: usize,
    min_lr: f64,
    waited: usize,
    cooling: usize,
}

impl ReduceLROnPlateau {
    /// Watches `val_loss`: factor 0.1, patience 10, min_delta 1e-4, cooldown 0, min_lr 0.
    #[allow(clippy::new_without_default)]
    pub fn new() -> ReduceLROnPlateau {
        let monitor = Monitor { min_delta: 1e-4, ..Monitor::new("val_loss") };
        ReduceLROnPlateau { monitor, factor: 0.1, patience: 10, cooldown: 0, min_lr: 0.0, waited: 0, cooling: 0 }
    }

    /// What the learning rate is multiplied by, less than 1; 0.1 unless told otherwise.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Epochs without improvement before it falls; 10 unless told otherwise.
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// Epochs after a fall in which nothing is counted; 0 unless told otherwise.
    pub fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// What it never falls below; 0 unless told otherwise.
    pub fn min_lr(mut self, rate: f64) -> Self {
        self.min_lr = rate;
        self
    }
}

watches!(ReduceLROnPlateau, min_delta: "1e-4");

impl Callback for ReduceLROnPlateau {
    fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        if !(0.0..1.0).contains(&self.factor) {
            let message =
                format!("ReduceLROnPlateau: expected a factor of at least 0 and less than 1, got {}", self.factor);
            return Err(Error::Config(message));
        }
        self.monitor.begin(trainer.figures())?;
        (self.waited, self.cooling) = (0, 0);
        // Refused now and not after ten epochs, where a schedule decides.
        trainer.set_learning_rate(trainer.learning_rate())
    }

    fn on_epoch_end(&mut self, trainer: &mut Trainer, _: &Epoch, logs: &Logs) -> Result<Control> {
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if self.monitor.improves(logs)? {
            self.waited = 0;
        } else if self.cooling == 0 {
            self.waited += 1;
            let rate = trainer.learning_rate();
            if self.waited >= self.patience && rate > self.min_lr {
                trainer.set_learning_rate((rate * self.factor).max(self.min_lr))?;
                (self.waited, self.cooling) = (0, self.cooldown);
            }
        }
        Ok(Control::Continue)
    }

    fn state(&self) -> Result<CallbackState> {
        let mut values = self.monitor.state();
        values.insert("waited".to_string(), self.waited as f64);
        values.insert("cooling".to_string(), self.cooling as f64);
        Ok(CallbackState { values, ..CallbackState::default() })
    }

    fn restore(&mut self, state: CallbackState) -> Result<()> {
        self.monitor.restore(&state);
        (self.waited, self.cooling) = (state.count("waited"), state.count("cooling"));
        Ok(())
    }
}
