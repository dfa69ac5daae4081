//! `uncrumple fit`: training goes on, or begins, on arrays in files.

use crate::arrays::{self, Samples};
use crate::compiled::{self, Figures, Steps};
use crate::options::{Compute, Policy, describe};
use crate::running::Running;
use crate::say;
use clap::Args;
use std::path::PathBuf;
use uncrumple::callbacks::{CSVLogger, Profiler, ProgressBar};
use uncrumple::prelude::*;

/// Train a model on arrays in NumPy files
#[derive(Args)]
#[command(after_help = arrays::HELP)]
#[command(mut_arg("given_seed", |seed| seed.help("Seed of all random numbers that the command draws; the file's own unless given")))]
pub struct Arguments {
    #[command(flatten)]
    samples: Samples,

    /// How often to go through the samples
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,

    /// Samples of a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// Go through the samples in their own order in each epoch
    #[arg(long)]
    no_shuffle: bool,

    /// Hold this fraction of the samples back, the last ones, to measure on after each epoch
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    validation_split: f64,

    /// Where the trained model goes, with the optimizer's state
    #[arg(long, value_name = "OUT.keras")]
    save: PathBuf,

    /// A table with a row for each epoch: epoch, loss, each metric, val_…
    #[arg(long, value_name = "FILE.csv")]
    history: Option<PathBuf>,

    /// Time some steps, print what they are made of, and leave a trace for chrome://tracing
    #[arg(long, value_name = "TRACE.json")]
    profile: Option<PathBuf>,

    /// What layers compute in; the file's own unless given
    #[arg(long, value_name = "POLICY", value_enum)]
    precision: Option<Policy>,

    #[command(flatten)]
    running: Running,

    #[command(flatten)]
    figures: Figures,

    #[command(flatten)]
    steps: Steps,

    #[command(flatten)]
    compute: Compute,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start()?;
    if !arguments.save.extension().is_some_and(|e| e.eq_ignore_ascii_case("keras")) {
        return Err(Error::Config(format!("--save {}: name a .keras file", arguments.save.display())));
    }
    let mut trainer = compiled::trainer(&arguments.samples.inputs.model, &arguments.figures, Some(&arguments.steps))?;
    if let Some(policy) = arguments.precision {
        trainer = trainer.precision(policy.into())?;
    }
    let mut trainer = trainer.on(device.clone())?;
    if let Some(seed) = arguments.compute.given_seed {
        trainer = trainer.seed(seed)?;
    }
    let written = [Some(&arguments.save), arguments.history.as_ref(), arguments.profile.as_ref()];
    arguments.samples.check_apart(&written.into_iter().flatten().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let data = arrays::dataset(trainer.model(), &arguments.samples)?;
    let mut fit = Fit::epochs(arguments.epochs as usize)
        .batch_size(arguments.batch_size as usize)
        .shuffle(!arguments.no_shuffle)
        .validation_split(arguments.validation_split)
        .callback(ProgressBar::new());
    if let Some(path) = &arguments.history {
        fit = fit.callback(CSVLogger::new(path));
    }
    if let Some(path) = &arguments.profile {
        fit = fit.callback(Profiler::new(path));
    }
    say(format!("{} samples on {}", data.len(), describe(&device)))?;
    match arguments.running.train(&mut trainer, &data, fit, &arguments.save)? {
        Some(_) => say(arguments.save.display()),
        None => Ok(()),
    }
}
