//! How a network learns from the parts of a table, and what it leaves behind.

use super::pace::Pace;
use super::parts::Parts;
use super::run::Run;
use super::{print_left, tune, verdict};
use crate::options::describe;
use crate::{plot, say};
use clap::Args;
use std::path::{Path, PathBuf};
use uncrumple::callbacks::EarlyStopping;
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Problem, Sizes};

/// Options of a task on a table; what is not given is the task's own.
#[derive(Args)]
pub struct Learning {
    #[command(flatten)]
    pace: Pace,

    /// Units of a hidden layer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    width: Option<u32>,

    /// Hidden layers; none is a linear model
    #[arg(long, value_name = "N")]
    depth: Option<u32>,

    /// The share of units that dropout leaves out behind each hidden layer
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    dropout: Option<f64>,

    /// Count all classes alike in the loss, whatever their numbers
    #[arg(long)]
    balanced: bool,

    /// First search width, depth, dropout and learning rate: N at random, of which the better half goes on for twice the
    /// epochs, and so forth; by the validation loss alone. Run again, it goes on where it was ended
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1000))]
    tune: Option<u32>,

    #[command(flatten)]
    run: Run,
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
        parts.tabular.compile(model.precision(self.precision).on(self.device.clone()), self.sizes.learning_rate)
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
        self.run.out(name)
    }

    /// What is given, and else the task's own.
    pub fn plan(&self, defaults: Defaults) -> Result<Plan> {
        let Defaults { epochs, batch_size, sizes } = defaults;
        let given = |given: Option<u32>, own: usize| given.map_or(own, |n| n as usize);
        Ok(Plan {
            epochs: self.pace.epochs(epochs),
            batch_size: self.pace.batch_size(batch_size),
            sizes: Sizes {
                width: given(self.width, sizes.width),
                depth: given(self.depth, sizes.depth),
                dropout: self.dropout.unwrap_or(sizes.dropout),
                learning_rate: self.pace.learning_rate(sizes.learning_rate),
            },
            balanced: self.balanced,
            precision: self.run.precision.into(),
            device: self.run.compute.start()?,
            seed: self.run.compute.seed(),
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
        let trained = self.run.train(&mut trainer, &parts.train, plan.fit(parts, plan.epochs)?, out);
        // The weights of the best epoch are in their place again.
        if matches!(trained, Err(Error::Diverged { .. })) && trainer.history().epochs.len() > 1 {
            let saved = out.join("model.keras");
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
