//! A table that grows by a row an epoch.

use crate::error::{Error, Result};
use crate::train::{Callback, Control, Epoch, Logs, Trainer};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes the figures of each epoch to a CSV file as soon as they are known: Keras's
/// [CSVLogger](https://keras.io/api/callbacks/csv_logger/).
///
/// The columns are `epoch`, counted from 1 as everywhere here (Keras counts from 0), and the figures in their order.
/// A file that is there already is replaced when training begins; missing folders are made.
pub struct CSVLogger {
    path: PathBuf,
    file: Option<File>,
    names: Vec<String>,
}

impl CSVLogger {
    /// Writes to this file.
    pub fn new(path: impl AsRef<Path>) -> CSVLogger {
        CSVLogger { path: path.as_ref().to_path_buf(), file: None, names: Vec::new() }
    }

    fn write(&mut self, row: &str) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(row.as_bytes()).map_err(|e| Error::io(&self.path, e))
    }
}

impl Callback for CSVLogger {
    fn on_train_begin(&mut self, _: &mut Trainer) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        }
        self.names.clear();
        self.file = Some(File::create(&self.path).map_err(|e| Error::io(&self.path, e))?);
        Ok(())
    }

    fn on_epoch_end(&mut self, _: &mut Trainer, epoch: &Epoch, logs: &Logs) -> Result<Control> {
        if self.names.is_empty() {
            self.names = logs.iter().map(|(name, _)| name.to_string()).collect();
            self.write(&format!("epoch,{}\n", self.names.join(",")))?;
        }
        let figures = self.names.iter().map(|name| logs.get(name).map_or(String::new(), |v| v.to_string()));
        let row = std::iter::once((epoch.number + 1).to_string()).chain(figures).collect::<Vec<_>>().join(",");
        self.write(&format!("{row}\n"))?;
        Ok(Control::Continue)
    }

    fn on_train_end(&mut self, _: &mut Trainer) -> Result<()> {
        self.file = None;
        Ok(())
    }
}
