//! How a network learns from the parts of a table, and what it leaves behind.

use super::parts::Parts;
use super::{out_folder, print_left, tune, verdict};
use crate::options::{Compute, Policy, describe, rate};
use crate::running::Running;
use crate::{plot, say};
use clap::Args;
use std::path::{Path, PathBuf};
use uncrumple::callbacks::{CSVLogger, EarlyStopping, Profiler, ProgressBar};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Problem, Sizes};

/// Options of a task on a table; what is not given is the task's own.
#[derive(Args)]
pub struct Learning {
    /// How often to go through the rows, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,

    /// Rows of a step
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,

    /// Units of a hidden layer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    width: Option<u32>,

    /// Hidden layers; none is a linear model
    #[arg(long, value_name = "N")]
    depth: Option<u32>,

    /// The share of units that dropout leaves out behind each hidden layer
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    dropout: Option<f64>,

    /// Adam's learning rate
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = rate)]
    learning_rate: Option<f64>,

    /// Count all classes alike in the loss, whatever their numbers
    #[arg(long)]
    balanced: bool,

    /// First search width, depth, dropout and learning rate: N at random, of which the better half goes on for twice the
    /// epochs, and so forth; by the validation loss alone. Run again, it goes on where it was ended
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    tune: Option<u32>,

    /// The folder for the model, the history and the picture; runs/NAME by default
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

/// What a task takes where nothing is given.
#[derive(Clone, Copy)]
pub struct Defaults {
    pub epochs: usize,
    pub batch_size: usize,
    pub sizes: Sizes,
}

/// All that decides how a network is trained.
#[derive(Clone)]
pub struct Plan {
    pub epochs: usize,
    pub batch_size: usize,
    pub sizes: Sizes,
    pub balanced: bool,
    pub precision: Precision,
    pub device: Device,
    pub seed: u64,
}

impl Plan {
    /// A trainer of a new network for the training part.
    pub fn trainer(&self, parts: &Parts) -> Result<Trainer> {
        let model = parts.tabular.model(&parts.train, self.sizes)?.seed(self.seed)?;
        parts.tabular.compile(model.precision(self.precision).on(self.device.clone()), self.sizes)
    }

    /// So many epochs over the training part, the best weights by the validation loss in the end.
    pub fn fit(&self, parts: &Parts, epochs: usize) -> Result<Fit> {
        let stop = EarlyStopping::new().patience((epochs / 10).max(10)).restore_best_weights();
        let fit = Fit::epochs(epochs).batch_size(self.batch_size).validation_data(&parts.validation).callback(stop);
        Ok(if self.balanced { fit.class_weight(parts.train.balanced_class_weight()?) } else { fit })
    }
}

impl Learning {
    /// The folder for results, made if it is not there.
    pub fn out(&self, name: &str) -> Result<PathBuf> {
        out_folder(self.out.as_deref(), name)
    }

    /// What is given, and else the task's own.
    pub fn plan(&self, defaults: Defaults) -> Result<Plan> {
        let Defaults { epochs, batch_size, sizes } = defaults;
        let given = |given: Option<u32>, own: usize| given.map_or(own, |n| n as usize);
        Ok(Plan {
            epochs: given(self.epochs, epochs),
            batch_size: given(self.batch_size, batch_size),
            sizes: Sizes {
                width: given(self.width, sizes.width),
                depth: given(self.depth, sizes.depth),
                dropout: self.dropout.unwrap_or(sizes.dropout),
                learning_rate: self.learning_rate.unwrap_or(sizes.learning_rate),
            },
            balanced: self.balanced,
            precision: self.precision.into(),
            device: self.compute.start()?,
            seed: self.compute.seed(),
        })
    }

    /// Trains a network on the parts, tests it, and leaves model, history and curves in `out`.
    pub fn learn(&self, parts: &Parts, mut plan: Plan, out: &Path) -> Result<()> {
        let problem = parts.tabular.target.problem();
        if plan.balanced && !matches!(problem, Problem::Binary | Problem::Categorical) {
            return Err(Error::Config(format!("--balanced: a {} has no classes to balance", problem.name())));
        }
        say(format!("on       {}\n", describe(&plan.device)))?;
        if let Some(trials) = self.tune {
            plan.sizes = tune::search(parts, &plan, trials as usize, out)?;
        }
        let mut trainer = plan.trainer(parts)?;
        let history = CSVLogger::new(out.join("history.csv"));
        let mut fit = plan.fit(parts, plan.epochs)?.callback(history).callback(ProgressBar::new());
        if let Some(path) = &self.profile {
            fit = fit.callback(Profiler::new(path));
        }
        let saved = out.join("model.keras");
        let trained = self.running.train(&mut trainer, &parts.train, fit, &saved);
        // The weights of the best epoch are in their place again.
        if matches!(trained, Err(Error::Diverged { .. })) && trainer.history().epochs.len() > 1 {
            trainer.save(&saved)?;
            say(format!("\nThe weights of the best epoch before the loss was lost are saved:\n{}", saved.display()))?;
        }
        let Some(history) = trained? else { return Ok(()) };
        let figures = trainer.evaluate_with(&parts.test, 1000)?;
        say("")?;
        verdict::print(problem, &parts.train, &parts.test, &figures)?;
        plot::learning_curves(&history, problem.metric(), &out.join("learning-curves.png"))?;
        say("")?;
        print_left(out, &LEFT)
    }
}

/// What a run leaves in its folder.
const LEFT: [(&str, &str); 3] = [
    ("model.keras", "the trained model: `uncrumple predict` takes it and a table with these columns"),
    ("history.csv", "loss and metrics of each epoch"),
    ("learning-curves.png", "the same as curves"),
];
