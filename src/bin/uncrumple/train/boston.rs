//! `uncrumple train boston`: what homes cost, by K-fold cross-validation.

use super::learning::{Defaults, Learning, Plan};
use super::parts::{Division, Parts};
use super::verdict;
use crate::say;
use clap::Args;
use uncrumple::data::{FeatureSpace, Table};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Sizes, Tabular, Target};

/// Learn what homes in Boston cost
#[derive(Args)]
#[command(
    after_help = "506 census tracts of 1970 (datasets/boston-housing), of which a fifth is held out for the test. So few rows \
    make a single validation part a matter of luck: the rest is first divided into folds, each of which is validated on by a \
    network that the others trained, with inputs scaled by what these hold. Then a network trains on all of the rest but a \
    fifth for validation, and is tested. Two hidden layers of 64 units, batches of 16, 100 epochs at most, with a learning \
    rate of 0.001."
)]
pub struct Arguments {
    /// Folds
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=50))]
    folds: u32,

    #[command(flatten)]
    learning: Learning,
}

const TARGET: &str = "medv";
const HELD_OUT: f64 = 0.2;

pub fn run(arguments: &Arguments) -> Result<()> {
    let learning = &arguments.learning;
    let plan = learning.plan(Defaults { epochs: 100, batch_size: 16, sizes: Sizes::default() })?;
    let out = learning.out("boston")?;
    let table = datasets::boston_housing_table()?;
    let target = Target::new(&table, TARGET, None)?;
    let (split, space) = (|_: &Table| Ok(Split::random()), FeatureSpace::new().exclude(TARGET));
    let division = Division { fractions: [HELD_OUT, HELD_OUT], split: &split, how: "at random", seed: plan.seed };
    let mut parts = Parts::new(&table, &target, space.clone(), &division)?;
    parts.about.push("medv is in thousands of dollars, and so are the errors".into());
    parts.describe()?;
    // The rows that the parts hold out for the test are no part of any fold.
    let (rest, _) = table.split(HELD_OUT, &Split::random().seed(plan.seed))?;
    cross_validate(&rest, &target, &space, &plan, arguments.folds as usize)?;
    learning.learn(&parts, plan, &out)
}

fn cross_validate(rest: &Table, target: &Target, space: &FeatureSpace, plan: &Plan, k: usize) -> Result<()> {
    let metric = target.problem().metric();
    say(format!("\n{:<10} {:>6} {metric:>22} {:>10}", "fold", "rows", "baseline"))?;
    let mut errors = Vec::new();
    for (i, (train, validation)) in rest.k_fold(k, &Split::random().seed(plan.seed))?.into_iter().enumerate() {
        let tabular = Tabular { space: space.clone().adapt(&train)?, target: target.clone() };
        let (train, validation) = (tabular.dataset(&train)?, tabular.dataset(&validation)?);
        let parts = Parts { tabular, test: validation.clone(), train, validation, about: vec![] };
        let mut trainer = plan.trainer(&parts)?;
        // No early stopping: it would choose the epoch by what is validated on.
        trainer.fit(&parts.train, Fit::epochs(plan.epochs).batch_size(plan.batch_size))?;
        let error = trainer.evaluate_with(&parts.validation, 1000)?.get(metric).unwrap_or(f64::NAN);
        let (_, baseline) = verdict::common_sense(target.problem(), &parts.train, &parts.validation)?;
        let baseline = baseline.iter().find(|(name, _)| *name == metric).map_or(f64::NAN, |(_, value)| *value);
        say(format!("{:<10} {:>6} {error:>22.4} {baseline:>10.4}", i + 1, parts.validation.len()))?;
        errors.push([error, baseline]);
    }
    let n = errors.len() as f64;
    let [mean, baseline] = [0, 1].map(|i| errors.iter().map(|e| e[i]).sum::<f64>() / n);
    let deviation = (errors.iter().map(|e| (e[0] - mean) * (e[0] - mean)).sum::<f64>() / n).sqrt();
    let figure = format!("{mean:.4} ± {deviation:.4}");
    say(format!("{:<10} {:>6} {figure:>22} {baseline:>10.4}\n", "all folds", rest.rows()))
}
