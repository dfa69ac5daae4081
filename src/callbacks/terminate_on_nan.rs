//! Stopping when numbers are lost.

use crate::error::{Error, Result};
use crate::train::{Callback, Control, Epoch, Trainer};

/// Ends training as soon as the loss is NaN or infinite, with [`Error::Diverged`]: Keras's
/// [TerminateOnNaN](https://keras.io/api/callbacks/terminate_on_nan/).
///
/// [`Trainer::fit`] looks at the end of each epoch anyway. To look at each step waits for the device each time; where
/// that costs too much, [`TerminateOnNaN::every`] looks less often.
pub struct TerminateOnNaN {
    every: usize,
}

impl TerminateOnNaN {
    /// Looks after each step.
    #[allow(clippy::new_without_default)]
    pub fn new() -> TerminateOnNaN {
        TerminateOnNaN { every: 1 }
    }

    /// Looks after each `steps` steps of an epoch.
    pub fn every(mut self, steps: usize) -> Self {
        self.every = steps.max(1);
        self
    }
}

impl Callback for TerminateOnNaN {
    fn on_step_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, step: usize) -> Result<Control> {
        if !(step + 1).is_multiple_of(self.every) {
            return Ok(Control::Continue);
        }
        // The mean of the epoch so far: what is not finite once stays so.
        match trainer.logs()?.get("loss") {
            Some(loss) if !loss.is_finite() => Err(Error::Diverged { loss, epoch: epoch.number + 1 }),
            _ => Ok(Control::Continue),
        }
    }
}
