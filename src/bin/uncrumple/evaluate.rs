//! `uncrumple evaluate`: a model's loss and metrics on arrays in files.

use crate::arrays::{self, Samples};
use crate::compiled::{self, Figures};
use crate::options::{Compute, describe};
use crate::say;
use clap::Args;
use uncrumple::prelude::*;

/// Compute a model's loss and metrics on arrays in NumPy files
#[derive(Args)]
#[command(after_help = arrays::HELP)]
pub struct Arguments {
    #[command(flatten)]
    samples: Samples,

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
    let mut trainer =
        compiled::trainer(&arguments.samples.inputs.model, &arguments.figures, None)?.on(device.clone())?;
    let data = arrays::dataset(trainer.model(), &arguments.samples)?;
    let logs = trainer.evaluate_with(&data, arguments.batch_size as usize)?;
    if arguments.json {
        let figures: serde_json::Map<_, _> = logs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        return say(serde_json::Value::from(figures));
    }
    say(format!("{} samples on {}", data.len(), describe(&device)))?;
    say(logs)
}
