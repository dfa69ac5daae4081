//! What a run measured.

use crate::error::{Error, Result};
use crate::files::atomic_write;
use std::fmt;
use std::io::Write;
use std::path::Path;

/// Named figures, in the order in which they are shown: `loss`, `accuracy`, `val_loss`, ….
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs(Vec<(String, f64)>);

impl Logs {
    /// Adds a figure.
    pub fn push(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), value));
    }

    /// The figure of this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }

    /// All figures.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(n, v)| (n.as_str(), *v))
    }
}

impl fmt::Display for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name} {value:.4}", if i == 0 { "" } else { "  " })?;
        }
        Ok(())
    }
}

/// The figures of each epoch of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// One entry an epoch.
    pub epochs: Vec<Logs>,
}

impl History {
    /// The figures of this name, epoch by epoch.
    pub fn values(&self, name: &str) -> Vec<f64> {
        self.epochs.iter().filter_map(|e| e.get(name)).collect()
    }

    /// Writes a table: a column a figure, a row an epoch.
    ///
    /// # Errors
    /// The file cannot be written; what was there before stays.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let names: Vec<&str> = self.epochs.first().map(|e| e.iter().map(|(n, _)| n).collect()).unwrap_or_default();
        atomic_write(path.as_ref(), |out| {
            writeln!(out, "epoch,{}", names.join(","))?;
            for (i, epoch) in self.epochs.iter().enumerate() {
                let row: Vec<String> =
                    names.iter().map(|n| epoch.get(n).map_or(String::new(), |v| v.to_string())).collect();
                writeln!(out, "{},{}", i + 1, row.join(","))?;
            }
            Ok(())
        })
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, epoch) in self.epochs.iter().enumerate() {
            write!(f, "{}epoch {:>3}  {epoch}", if i == 0 { "" } else { "\n" }, i + 1)?;
        }
        Ok(())
    }
}

pub(super) fn no_epochs() -> Error {
    Error::Config("a run needs at least one epoch, a batch size of at least 1, and at least one step an epoch".into())
}
