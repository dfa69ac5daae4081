//! A log for programs that read along.

use crate::error::Result;
use crate::files::{atomic_write, prepare};
use crate::train::{Callback, Control, Epoch, Logs, Trainer};
use serde_json::{Map, Value};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes the figures of each epoch to a file as soon as they are known, an object a line (JSON Lines): `epoch`,
/// counted from 1, and the figures; `null` where one is no finite number.
///
/// The file is whole at any time, and one that is there already stays until the first epoch has ended. Missing folders
/// are made.
pub struct JSONLogger {
    path: PathBuf,
}

impl JSONLogger {
    /// Writes to this file.
    pub fn new(path: impl AsRef<Path>) -> JSONLogger {
        JSONLogger { path: path.as_ref().to_path_buf() }
    }
}

impl Callback for JSONLogger {
    fn on_train_begin(&mut self, _: &mut Trainer) -> Result<()> {
        prepare(&self.path)
    }

    fn on_epoch_end(&mut self, trainer: &mut Trainer, _: &Epoch, _: &Logs) -> Result<Control> {
        atomic_write(&self.path, |out| {
            for (i, epoch) in trainer.history().epochs.iter().enumerate() {
                let mut object = Map::from_iter([("epoch".to_string(), Value::from(i + 1))]);
                object.extend(epoch.iter().map(|(name, value)| (name.to_string(), value.into())));
                writeln!(out, "{}", Value::Object(object))?;
            }
            Ok(())
        })?;
        Ok(Control::Continue)
    }
}
