//! `uncrumple summary`: what a model is made of.

use crate::options::{Compute, Policy, named};
use crate::say;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use uncrumple::files::{atomic_write, prepare};
use uncrumple::model::keras;
use uncrumple::prelude::*;
use uncrumple::programs::tabular::Tabular;

/// Show the layers of a model file, their shapes and parameters, and what training it takes in memory
#[derive(Args)]
#[command(
    after_help = "The optimizer is the one that the file was compiled with, Adam where it was not or where uncrumple \
    does not know it."
)]
pub struct Arguments {
    /// A .keras file that uncrumple or Keras 3 wrote
    #[arg(value_name = "MODEL.keras")]
    model: PathBuf,

    /// Samples of the batch that activations are stated for
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// What layers compute in; the file's own unless given
    #[arg(long, value_name = "POLICY", value_enum)]
    precision: Option<Policy>,

    /// Draw the layers and what each reads as an SVG picture
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    #[command(flatten)]
    compute: Compute,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(path) = &arguments.plot {
        named(path, "svg")?;
        prepare(path)?;
    }
    let device = arguments.compute.start()?;
    let keras::Loaded { model, training, .. } = keras::read(&arguments.model)?;
    let mut model = model.on(device);
    if let Some(policy) = arguments.precision {
        model = model.precision(policy.into());
    }
    let summary = model.summary().batch_size(arguments.batch_size as usize);
    match &training {
        Some(Ok(training)) => say(summary.optimizer(&*training.optimizer))?,
        _ => say(summary)?,
    }
    if let Some(path) = &arguments.plot {
        atomic_write(path, |out| write!(out, "{}", model.diagram()))?;
        say(format!("\n{}  the layers as a picture", path.display()))?;
    }
    let Some(Tabular { space, target }) = Tabular::of(&model)? else { return Ok(()) };
    let columns: Vec<_> = space.features().map(|(name, width)| format!("`{name}` ({width})")).collect();
    let column = if columns.len() == 1 { "column" } else { "columns" };
    say(format!("\nReads a table: {} numbers from the {column} {}", space.width(), columns.join(", ")))?;
    let classes = match target.classes() {
        [] => String::new(),
        classes => format!(", of {}", classes.join(", ")),
    };
    say(format!("Predicts {}: {}{classes}", target.column(), target.problem().name()))
}
