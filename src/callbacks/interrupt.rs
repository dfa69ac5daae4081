//! Stopping when somebody asks for it.

use crate::error::Result;
use crate::train::{Callback, Control, Epoch, Trainer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends training after the present step once a flag is set, as a signal handler or another thread does.
///
/// The epoch that it ends has no figures; what was learnt stays in the trainer, and [`crate::train::Fit::backup`] puts the
/// run down so that it goes on from that step.
pub struct Interrupt {
    flag: Arc<AtomicBool>,
}

impl Interrupt {
    /// Watches this flag.
    pub fn new(flag: Arc<AtomicBool>) -> Interrupt {
        Interrupt { flag }
    }
}

impl Callback for Interrupt {
    fn on_step_end(&mut self, _: &mut Trainer, _: &Epoch, _: usize) -> Result<Control> {
        Ok(if self.flag.load(Ordering::Relaxed) { Control::Stop } else { Control::Continue })
    }
}
