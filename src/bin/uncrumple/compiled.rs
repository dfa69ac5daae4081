//! What a model is trained and measured with: what its file says, or what the command line says instead.

use crate::options::rate;
use crate::warn;
use clap::Args;
use std::path::Path;
use uncrumple::layers::Config;
use uncrumple::losses::{self, Loss};
use uncrumple::metrics::{self, Metric};
use uncrumple::model::keras::{self, Loaded};
use uncrumple::optimizers::{self, Optimizer};
use uncrumple::prelude::*;

/// The loss and the metrics; the file's own unless given.
#[derive(Args, Clone)]
#[command(next_help_heading = "Instead of what the file was compiled with")]
pub struct Figures {
    /// A loss by Keras's name, such as mse or sparse_categorical_crossentropy; repeated, one for each output
    #[arg(long, value_name = "NAME")]
    loss: Vec<String>,

    /// Metrics by Keras's names, such as accuracy,mae; of each output
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    metrics: Option<Vec<String>>,
}

/// The optimizer; the file's own unless given.
#[derive(Args, Clone)]
#[command(next_help_heading = "Instead of what the file was compiled with")]
pub struct Steps {
    /// An optimizer by Keras's name, such as adam, with Keras's defaults; rmsprop where the file has none
    #[arg(long, value_name = "NAME")]
    optimizer: Option<String>,

    /// The learning rate of each step
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = rate)]
    learning_rate: Option<f64>,
}

/// The metrics of each output.
type Lists = Vec<Vec<Box<dyn Metric>>>;

/// What names of the command line stand for.
fn named<T>(names: &[String], from_config: fn(&str, &Config) -> Result<T>) -> Result<Vec<T>> {
    names.iter().map(|name| from_config(name, &Config::default())).collect()
}

impl Figures {
    fn losses(&self) -> Result<Option<Vec<Box<dyn Loss>>>> {
        let losses = named(&self.loss, losses::from_config)?;
        Ok(Some(losses).filter(|losses| !losses.is_empty()))
    }

    fn metrics(&self, outputs: usize) -> Result<Option<Lists>> {
        let Some(names) = &self.metrics else { return Ok(None) };
        (0..outputs).map(|_| named(names, metrics::from_config)).collect::<Result<_>>().map(Some)
    }
}

/// The trainer that a file describes, with what is given instead.
///
/// # Errors
/// A file that cannot be read; one that was not compiled where no loss is given, or with what nobody knows here unless loss,
/// metrics and optimizer are given; a name that nothing has.
pub fn trainer(path: &Path, figures: &Figures, steps: Option<&Steps>) -> Result<Trainer> {
    let optimizer = match steps.and_then(|s| s.optimizer.as_ref()) {
        Some(name) => Some(optimizers::from_config(name, &Config::default())?),
        None => None,
    };
    let losses = figures.losses()?;
    let mut trainer = match Trainer::load(path) {
        Ok(trainer) => {
            let metrics = figures.metrics(trainer.model().graph().outputs.len())?;
            trainer.recompile(optimizer, losses, metrics)?
        }
        Err(error) => {
            let Loaded { model, training } = keras::read(path)?;
            // Nothing is taken from the file where all is given, so that it may name what nobody knows here.
            let all_given = figures.metrics.is_some() && (optimizer.is_some() || steps.is_none());
            let losses = match (training, losses) {
                (None, Some(losses)) => losses,
                (None, None) => {
                    let message = "holds a model that was not compiled: say its loss with --loss";
                    return Err(Error::File { path: path.into(), message: message.into() });
                }
                (Some(Err(_)), Some(losses)) if all_given => losses,
                _ => return Err(error),
            };
            let metrics = figures.metrics(model.graph().outputs.len())?.unwrap_or_default();
            let optimizer: Box<dyn Optimizer> = optimizer.unwrap_or_else(|| RMSprop::new(1e-3).into());
            model.compile(optimizer, losses, metrics)?
        }
    };
    trainer.model().warnings().into_iter().for_each(warn);
    if let Some(rate) = steps.and_then(|s| s.learning_rate) {
        trainer.set_learning_rate(rate)?;
    }
    Ok(trainer)
}
