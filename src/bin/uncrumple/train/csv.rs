//! `uncrumple train csv`: anybody's table.

use super::table::{self, Parts, Source};
use crate::options::{Compute, Policy, describe};
use crate::running::{self, Running};
use crate::{plot, say};
use clap::Args;
use std::path::PathBuf;
use uncrumple::callbacks::{CSVLogger, EarlyStopping, Profiler, ProgressBar};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Problem, Sizes};

/// Learn to predict a column of a table from the others
#[derive(Args)]
#[command(
    after_help = "Numbers are scaled to mean 0 and variance 1, and a cell without a value counts as the mean, with a mark \
    of its own; words become a vector with a 1 at their place. All of that is learnt from the training part alone. A part of \
    the rows is held out to be tested on in the end, and a part of the rest for validation: at random, of each class the \
    same share, unless --time or --group say otherwise. Training ends when the validation loss has not improved for a tenth \
    of the epochs (10 at least), with the best weights. `predict` takes the model and a table with the same columns."
)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,

    /// How often to go through the rows, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,

    /// Rows of a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// Units of a hidden layer
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    width: u32,

    /// Hidden layers; none is a linear model
    #[arg(long, value_name = "N", default_value_t = 2)]
    depth: u32,

    /// The share of units that dropout leaves out behind each hidden layer
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    dropout: f64,

    /// Adam's learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    learning_rate: f64,

    /// Count all classes alike in the loss, whatever their numbers
    #[arg(long)]
    balanced: bool,

    /// The folder for the model, the history and the picture; runs/NAME of the file by default
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// Time some steps, print what they are made of, and leave a trace for chrome://tracing
    #[arg(long, value_name = "TRACE.json")]
    profile: Option<PathBuf>,

    /// What layers compute in
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Policy::Float32)]
    precision: Policy,

    #[command(flatten)]
    running: Running,

    #[command(flatten)]
    compute: Compute,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start()?;
    let out = arguments.out.clone().unwrap_or_else(|| arguments.source.out());
    std::fs::create_dir_all(&out).map_err(|source| Error::Io { path: out.clone(), source })?;
    let parts = arguments.source.parts(arguments.compute.seed)?;
    let Parts { tabular, train, validation, test, .. } = &parts;
    parts.describe()?;
    say(format!("on       {}\n", describe(&device)))?;

    let epochs = arguments.epochs as usize;
    let sizes = Sizes {
        width: arguments.width as usize,
        depth: arguments.depth as usize,
        dropout: arguments.dropout,
        learning_rate: arguments.learning_rate,
    };
    let model = tabular.model(train, sizes)?.seed(arguments.compute.seed)?;
    let mut trainer = tabular.compile(model.precision(arguments.precision.into()).on(device), sizes)?;
    let mut fit = Fit::epochs(epochs)
        .batch_size(arguments.batch_size as usize)
        .validation_data(validation)
        .callback(EarlyStopping::new().patience((epochs / 10).max(10)).restore_best_weights())
        .callback(CSVLogger::new(out.join("history.csv")))
        .callback(ProgressBar::new());
    if arguments.balanced {
        if tabular.target.problem() == Problem::Regression {
            return Err(Error::Config("--balanced: a regression has no classes".into()));
        }
        fit = fit.class_weight(train.balanced_class_weight()?);
    }
    if let Some(path) = &arguments.profile {
        fit = fit.callback(Profiler::new(path));
    }
    let (saved, backup) = (out.join("model.keras"), out.join("backup.safetensors"));
    let history = trainer.fit(train, arguments.running.apply(fit, &backup)?)?;
    trainer.save(&saved)?;
    arguments.running.done(&backup)?;
    if running::interrupted() {
        return say(saved.display());
    }
    let figures = trainer.evaluate_with(test, 1000)?;
    say("")?;
    table::verdict(tabular.target.problem(), train, test, &figures)?;
    let metric = if tabular.target.problem() == Problem::Regression { "mean_absolute_error" } else { "accuracy" };
    plot::learning_curves(&history, metric, &out.join("learning-curves.png"))?;
    say("")?;
    for (name, what) in [
        ("model.keras", "the trained model: `uncrumple predict` takes it and a table with these columns"),
        ("history.csv", "loss and metrics of each epoch"),
        ("learning-curves.png", "the same as curves"),
    ] {
        say(format!("{:<34}  {what}", out.join(name).display()))?;
    }
    Ok(())
}
