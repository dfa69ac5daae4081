//! Runs that can be ended and gone on with.

use crate::say;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use uncrumple::callbacks::Interrupt;
use uncrumple::files::prepare;
use uncrumple::prelude::*;

/// Arguments of commands that train.
#[derive(Args)]
pub struct Running {
    /// Go on where a run of the same command was ended or killed, to the same bits
    #[arg(long)]
    resume: bool,

    /// How often to write down where the run stands, for --resume; it is removed when the run is done
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    backup_every: f64,
}

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Whether Ctrl-C ended the training: pressed after it, it ends nothing.
static ENDED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C ended the run.
pub fn interrupted() -> bool {
    ENDED.load(Ordering::Relaxed)
}

impl Running {
    /// Trains, and saves what was learnt in the file `saved`; nothing comes back where Ctrl-C ended it. Beside the file lies
    /// a backup meanwhile, which is of no more use when the training is done.
    pub fn train(&self, trainer: &mut Trainer, data: &Dataset, fit: Fit, saved: &Path) -> Result<Option<History>> {
        let history = self.train_one_of_several(trainer, data, fit, saved)?;
        if history.is_some() {
            self.finish(saved)?;
        }
        Ok(history)
    }

    /// The same in a command that trains more: the backup stays until [`Running::finish`], so that `--resume` finds it
    /// done.
    pub fn train_one_of_several(
        &self,
        trainer: &mut Trainer,
        data: &Dataset,
        fit: Fit,
        saved: &Path,
    ) -> Result<Option<History>> {
        prepare(saved)?;
        let backup = backup_of(saved);
        if self.resume && !backup.exists() {
            say(format!("--resume: there is no {}: beginning anew", backup.display()))?;
        }
        let flag = interruption()?;
        let history = trainer.fit(data, self.apply(fit, &backup, flag.clone())?)?;
        let ended = flag.load(Ordering::Relaxed);
        ENDED.store(ended, Ordering::Relaxed);
        trainer.save(saved)?;
        if ended {
            say("Interrupted: what was learnt is saved; --resume goes on from here.")?;
            say(saved.display())?;
            return Ok(None);
        }
        Ok(Some(history))
    }

    /// Removes the backup of a run whose model is `saved`.
    pub fn finish(&self, saved: &Path) -> Result<()> {
        let backup = backup_of(saved);
        match std::fs::remove_file(&backup) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::Io { path: backup, source }),
            _ => Ok(()),
        }
    }

    /// A run that backs itself up in `path`, and that the flag ends after the present step.
    fn apply(&self, fit: Fit, path: &Path, flag: Arc<AtomicBool>) -> Result<Fit> {
        let every = Duration::try_from_secs_f64(self.backup_every).map_err(|_| {
            Error::Config(format!("--backup-every: expected seconds of at least 0, got {}", self.backup_every))
        })?;
        let fit = if self.resume { fit.resume(path) } else { fit.backup(path) };
        Ok(fit.backup_every(every).callback(Interrupt::new(flag)))
    }
}

/// What Ctrl-C sets from the first run on; pressed again, it ends the program at once.
fn interruption() -> Result<Arc<AtomicBool>> {
    if let Some(flag) = INTERRUPTED.get() {
        return Ok(flag.clone());
    }
    let flag = INTERRUPTED.get_or_init(Default::default).clone();
    let set = flag.clone();
    let handler = move || {
        if set.swap(true, Ordering::Relaxed) {
            std::process::exit(ABORTED);
        }
    };
    ctrlc::set_handler(handler).map_err(|e| Error::Config(format!("Ctrl-C cannot be caught: {e}")))?;
    Ok(flag)
}

/// What a shell gives a program that Ctrl-C ended.
pub const ABORTED: i32 = 130;

/// `m.keras` → `m.backup.safetensors`.
fn backup_of(model: &Path) -> PathBuf {
    model.with_extension("backup.safetensors")
}
