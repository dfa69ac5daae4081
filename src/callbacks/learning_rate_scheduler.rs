//! A step size for each epoch.

use crate::error::{Error, Result};
use crate::train::{Callback, Epoch, Trainer};

/// Sets the learning rate before each epoch, to what a function makes of the epoch (from 0) and the present rate: Keras's
/// [LearningRateScheduler](https://keras.io/api/callbacks/learning_rate_scheduler/).
///
/// ```
/// use uncrumple::prelude::*;
/// let halve = LearningRateScheduler::new(|epoch, rate| if epoch < 3 { rate } else { rate / 2.0 });
/// ```
pub struct LearningRateScheduler {
    schedule: Box<dyn FnMut(usize, f64) -> f64 + Send>,
}

impl LearningRateScheduler {
    /// A scheduler with this function.
    pub fn new(schedule: impl FnMut(usize, f64) -> f64 + Send + 'static) -> LearningRateScheduler {
        LearningRateScheduler { schedule: Box::new(schedule) }
    }
}

impl Callback for LearningRateScheduler {
    fn on_epoch_begin(&mut self, trainer: &mut Trainer, epoch: &Epoch) -> Result<()> {
        let rate = (self.schedule)(epoch.number, trainer.learning_rate());
        trainer
            .set_learning_rate(rate)
            .map_err(|e| Error::Config(format!("the schedule of the learning rate, epoch {}: {e}", epoch.number)))
    }
}
