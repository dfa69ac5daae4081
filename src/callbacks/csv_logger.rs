//! A table that grows by a row an epoch.

use crate::error::Result;
use crate::files::prepare;
use crate::train::{Callback, Control, Epoch, Logs, Trainer};
use std::path::{Path, PathBuf};

/// Writes the figures of each epoch to a CSV file as soon as they are known: Keras's
/// [CSVLogger](https://keras.io/api/callbacks/csv_logger/).
///
/// The columns are `epoch`, counted from 1 as everywhere here (Keras counts from 0), and the figures in their order. It
/// is [`History::write_csv`](crate::train::History::write_csv) after each epoch: a file that is there already stays
/// until the first epoch has ended, and is whole at any time. Missing folders are made.
pub struct CSVLogger {
    path: PathBuf,
}

impl CSVLogger {
    /// Writes to this file.
    pub fn new(path: impl AsRef<Path>) -> CSVLogger {
        CSVLogger { path: path.as_ref().to_path_buf() }
    }
}

impl Callback for CSVLogger {
    fn on_train_begin(&mut self, _: &mut Trainer) -> Result<()> {
        prepare(&self.path)
    }

    fn on_epoch_end(&mut self, trainer: &mut Trainer, _: &Epoch, _: &Logs) -> Result<Control> {
        trainer.history().write_csv(&self.path)?;
        Ok(Control::Continue)
    }
}
