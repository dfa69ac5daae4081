//! `uncrumple train sentiment`: whether a critic liked a film, by networks that read a sentence in different ways.

use super::comparison::{BEST, Comparison, Contender, Measure, Options, Task, chosen, names};
use super::parts::{Division, Parts, by_class};
use super::{print_left, verdict};
use crate::say;
use clap::Args;
use uncrumple::data::Table;
use uncrumple::prelude::*;
use uncrumple::programs::tabular::Target;
use uncrumple::programs::text::{NETWORKS, Network};

/// Learn whether a sentence of a film critic is positive, by several networks, and compare them
#[derive(Args)]
#[command(
    after_help = "10,555 sentences (datasets/movie-reviews), of which a fifth is held out for the test and a tenth of the \
    rest for validation, of both classes the same share. One network looks at which words a sentence has, one reads them \
    in their order, one looks at all of them at once, each with its place; all know the words of the training part alone. They are held against who always says the more \
    frequent class. Adam minimises the cross-entropy in batches of 64, for 10 epochs with a learning rate of 0.001. The \
    folder has a folder for each network. `predict` takes a model and a table with a column `text`."
)]
pub struct Arguments {
    /// Only this network, or several of them; all unless given
    #[arg(long, value_name = "NAME", value_parser = names(NETWORKS.iter().map(|network| network.name)))]
    program: Vec<String>,

    #[command(flatten)]
    options: Options,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { program, options } = arguments;
    let chosen = chosen(NETWORKS, program, |network| network.name);
    let task = Task {
        name: "sentiment",
        measure: Measure::Accuracy,
        baseline: "majority",
        epochs: 10,
        batch_size: 64,
        learning_rate: 1e-3,
    };
    let start = options.start(task, chosen.len())?;
    let table = datasets::movie_reviews()?;
    let target = Target::new(&table, "sentiment", None)?;
    let split = |table: &Table| by_class(table, &target);
    let division = Division { fractions: [0.2, 0.1], split: &split, how: "at random", seed: options.seed() };
    // Each network's own view of the same rows.
    let views = chosen
        .iter()
        .map(|network| Parts::new(&table, &target, network.space("text").exclude("sentiment"), &division))
        .collect::<Result<Vec<_>>>()?;
    let Some(first) = views.first() else { return Ok(()) };
    let share = |part: &Dataset| -> Result<f64> {
        let (_, figures) = verdict::common_sense(target.problem(), &first.train, part)?;
        Ok(figures.into_iter().find(|(name, _)| *name == "accuracy").map_or(f64::NAN, |(_, share)| share))
    };
    let majority = [share(&first.validation)?, share(&first.test)?];
    let [train, validation, test] = [&first.train, &first.validation, &first.test].map(Dataset::len);
    say(format!("rows     {train} to train on, {validation} for validation, {test} to be tested on (at random)"))?;
    let mut comparison = start.hold_against(majority)?;
    for (network, parts) in chosen.iter().zip(&views) {
        if !learn(&mut comparison, network, parts)? {
            return Ok(());
        }
    }
    let Some(best) = comparison.finish()? else { return Ok(()) };
    let [right, always] = [best.measured[1], majority[1]].map(|share| share * 100.0);
    let sentences = "of the test part's sentences";
    let other = format!("who always says the more frequent class, about {always:.1} %");
    say(format!("{} is right about {right:.1} % {sentences}; {other}.\n", best.name))?;
    let model = format!("{}/model.keras", best.name);
    let left = [(model.as_str(), BEST), ("results.csv", "the table")];
    print_left(&comparison.out, &left)
}

/// Trains a network and judges it; says whether to go on.
fn learn(comparison: &mut Comparison, network: &Network, parts: &Parts) -> Result<bool> {
    say(format!("\n{}: {}", network.name, network.about))?;
    let Parts { tabular, train, validation, test, .. } = parts;
    let model = comparison.prepare(network.model(tabular, train)?)?;
    let trainer = tabular.compile(model, comparison.learning_rate())?;
    comparison.add(Contender { name: network.name, trainer, parts: [train, validation, test] })
}
