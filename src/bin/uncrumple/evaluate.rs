//! `uncrumple evaluate`: a model's loss and metrics on arrays in files.

use crate::arrays::{self, Source};
use crate::compiled::{self, Figures};
use crate::options::{Compute, describe};
use crate::say;
use clap::Args;
use std::path::PathBuf;
use uncrumple::prelude::*;

/// Compute a model's loss and metrics on arrays in NumPy files
#[derive(Args)]
#[command(after_help = arrays::HELP)]
pub struct Arguments {
    /// A .keras file that uncrumple or Keras 3 wrote
    #[arg(value_name = "MODEL.keras")]
    model: PathBuf,

    /// The inputs: FILE.npy, or NAME=FILE.npy for each of several, or FILE.npz; the first axis is the samples; or FILE.csv
    #[arg(long, value_name = "FILE", required = true)]
    x: Vec<Source>,

    /// The targets, likewise; names are those of the output layers; a table holds them itself
    #[arg(long, value_name = "FILE")]
    y: Vec<Source>,

    /// Samples that are computed at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// Print one line of JSON: {"loss": …, "accuracy": …}
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    figures: Figures,

    #[command(flatten)]
    compute: Compute,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start()?;
    let mut trainer = compiled::trainer(&arguments.model, &arguments.figures, None)?.on(device.clone())?;
    let data = arrays::dataset(trainer.model(), &arguments.x, &arguments.y)?;
    let logs = trainer.evaluate_with(&data, arguments.batch_size as usize)?;
    if arguments.json {
        let figures: serde_json::Map<_, _> = logs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        return say(serde_json::Value::from(figures));
    }
    say(format!("{} samples on {}", data.len(), describe(&device)))?;
    say(logs)
}
