//! What every task of `uncrumple train` takes and leaves.

use crate::options::{Compute, Policy};
use crate::running::Running;
use clap::Args;
use std::path::{Path, PathBuf};
use uncrumple::callbacks::{CSVLogger, Profiler, ProgressBar};
use uncrumple::prelude::*;

const MODEL: &str = "model.keras";

/// Options of every task.
#[derive(Args)]
pub struct Run {
    /// The folder for the model, the history and pictures; runs/NAME by default
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// Time some steps, print what they are made of, and leave a trace for chrome://tracing
    #[arg(long, value_name = "TRACE.json")]
    profile: Option<PathBuf>,

    /// What layers compute in
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Policy::Float32)]
    pub precision: Policy,

    #[command(flatten)]
    running: Running,

    #[command(flatten)]
    pub compute: Compute,
}

impl Run {
    /// The folder for results, which need not be there yet.
    pub fn place(&self, name: &str) -> PathBuf {
        self.out.clone().unwrap_or_else(|| Path::new("runs").join(name))
    }

    /// The folder for results, made if it is not there, before an hour of training rather than after it.
    pub fn out(&self, name: &str) -> Result<PathBuf> {
        let out = self.place(name);
        if out.is_file() {
            return Err(Error::Config(format!("--out {}: is a file; name a folder", out.display())));
        }
        std::fs::create_dir_all(&out).map_err(|source| Error::Io { path: out.clone(), source })?;
        Ok(out)
    }

    /// Whether steps are to be timed.
    pub fn profiles(&self) -> bool {
        self.profile.is_some()
    }

    /// Trains, and leaves `model.keras` and `history.csv` in `out`; nothing comes back where Ctrl-C ended it.
    pub fn train(&self, trainer: &mut Trainer, data: &Dataset, fit: Fit, out: &Path) -> Result<Option<History>> {
        self.running.train(trainer, data, self.watched(fit, out), &out.join(MODEL))
    }

    /// The same in a command that trains more: `--resume` finds it done until [`Run::finish`].
    pub fn train_one_of_several(
        &self,
        trainer: &mut Trainer,
        data: &Dataset,
        fit: Fit,
        out: &Path,
    ) -> Result<Option<History>> {
        self.running.train_one_of_several(trainer, data, self.watched(fit, out), &out.join(MODEL))
    }

    fn watched(&self, fit: Fit, out: &Path) -> Fit {
        let fit = fit.callback(CSVLogger::new(out.join("history.csv"))).callback(ProgressBar::new());
        match &self.profile {
            Some(path) => fit.callback(Profiler::new(path)),
            None => fit,
        }
    }

    /// Removes what a run would go on from that left its results in `out`.
    pub fn finish(&self, out: &Path) -> Result<()> {
        self.running.finish(&out.join(MODEL))
    }
}
