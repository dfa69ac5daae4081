//! Saving while training goes on.

use super::Monitor;
use crate::error::{Error, Result};
use crate::files::prepare;
use crate::model::keras::check_name;
use crate::train::{Callback, CallbackState, Control, Epoch, Logs, Trainer};
use std::path::PathBuf;

/// Saves the model, with the optimizer's state, after each epoch or whenever a figure is better than ever before:
/// Keras's [ModelCheckpoint](https://keras.io/api/callbacks/model_checkpoint/).
///
/// The path may name the epoch (counted from 1) and figures in braces, with a width or a number of digits as in Python:
/// `runs/{epoch:02d}-{val_loss:.4f}.keras`. Without them each file replaces the one before, atomically. Missing folders
/// are made.
pub struct ModelCheckpoint {
    path: String,
    monitor: Monitor,
    save_best_only: bool,
    every: usize,
}

impl ModelCheckpoint {
    /// Saves to this `.keras` file after each epoch.
    pub fn new(filepath: &str) -> ModelCheckpoint {
        ModelCheckpoint {
            path: filepath.to_string(),
            monitor: Monitor::new("val_loss"),
            save_best_only: false,
            every: 1,
        }
    }

    /// Saves only when the monitored figure is better than ever before.
    pub fn save_best_only(mut self) -> Self {
        self.save_best_only = true;
        self
    }

    /// Looks after each `epochs` epochs; after each one unless told otherwise.
    pub fn every(mut self, epochs: usize) -> Self {
        self.every = epochs.max(1);
        self
    }
}

watches!(ModelCheckpoint);

impl Callback for ModelCheckpoint {
    fn on_train_begin(&mut self, trainer: &mut Trainer) -> Result<()> {
        if self.save_best_only {
            self.monitor.begin(trainer.figures())?;
        }
        // A wrong path shows now and not after an epoch.
        let mut logs = Logs::default();
        trainer.figures().iter().for_each(|name| logs.push(name, 0.0));
        check_name(filled(&self.path, 1, &logs)?.as_ref())
    }

    fn on_epoch_end(&mut self, trainer: &mut Trainer, epoch: &Epoch, logs: &Logs) -> Result<Control> {
        let due = (epoch.number + 1).is_multiple_of(self.every);
        if !due || self.save_best_only && !self.monitor.improves(logs)? {
            return Ok(Control::Continue);
        }
        let path = PathBuf::from(filled(&self.path, epoch.number + 1, logs)?);
        prepare(&path)?;
        trainer.save(&path)?;
        Ok(Control::Continue)
    }

    fn state(&self) -> Result<CallbackState> {
        Ok(CallbackState { values: self.monitor.state(), ..CallbackState::default() })
    }

    fn restore(&mut self, state: CallbackState) -> Result<()> {
        self.monitor.restore(&state);
        Ok(())
    }
}

/// The path with its fields filled in.
fn filled(path: &str, epoch: usize, logs: &Logs) -> Result<String> {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((field, after)) = after.split_once('}') else {
            return Err(Error::Config(format!("the checkpoint path `{path}` has a `{{` without a `}}`")));
        };
        out.push_str(before);
        out.push_str(&value(field, epoch, logs).ok_or_else(|| {
            let known: Vec<&str> = std::iter::once("epoch").chain(logs.iter().map(|(name, _)| name)).collect();
            let message = format!(
                "the checkpoint path `{path}` cannot be filled in: `{{{field}}}` must be one of {}, for figures with \
                 `:.4f` and the like, for the epoch with `:02d`",
                known.join(", ")
            );
            Error::Config(message)
        })?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// More digits than any figure has.
const MOST_DIGITS: usize = 20;

/// A field's text: `epoch`, `epoch:02d`, `val_loss`, `val_loss:.4f`.
fn value(field: &str, epoch: usize, logs: &Logs) -> Option<String> {
    let (name, format) = field.split_once(':').unwrap_or((field, ""));
    if name == "epoch" {
        let width = match format.strip_suffix('d').unwrap_or(format) {
            "" => 0,
            width => width.parse::<usize>().ok().filter(|w| *w <= MOST_DIGITS)?,
        };
        return Some(if format.starts_with('0') { format!("{epoch:0width$}") } else { format!("{epoch:width$}") });
    }
    let figure = logs.get(name)?;
    match format.strip_prefix('.').and_then(|f| f.strip_suffix('f')) {
        Some(digits) => {
            let digits = digits.parse::<usize>().ok().filter(|d| *d <= MOST_DIGITS)?;
            Some(format!("{figure:.digits$}"))
        }
        None => format.is_empty().then(|| figure.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in() {
        let mut logs = Logs::default();
        logs.push("val_loss", 0.123_46);
        let fill = |path: &str| filled(path, 7, &logs);
        assert_eq!(fill("m.keras").unwrap(), "m.keras");
        assert_eq!(fill("m-{epoch}.keras").unwrap(), "m-7.keras");
        assert_eq!(fill("{epoch:02d}-{val_loss:.2f}.keras").unwrap(), "07-0.12.keras");
        assert_eq!(fill("{epoch:3d}|{val_loss}").unwrap(), "  7|0.12346");
        for wrong in ["{loss}", "{epoch", "{epoch:x}", "{val_loss:d}", "{val_loss:.99f}", "{epoch:999999999d}", "{}"] {
            assert!(matches!(fill(wrong), Err(Error::Config(_))), "{wrong}");
        }
    }
}
