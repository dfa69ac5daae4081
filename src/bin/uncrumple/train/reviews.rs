//! `uncrumple train reviews`: whether a critic liked a film.

use super::learning::{Defaults, Learning};
use super::parts::{Division, Parts, by_class};
use clap::Args;
use uncrumple::data::{Feature, FeatureSpace, Table, Tokens};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Sizes, Target};

/// Learn whether a sentence of a film critic is positive
#[derive(Args)]
#[command(
    after_help = "10,555 sentences (datasets/movie-reviews), of which a fifth is held out for the test and a tenth of the \
    rest for validation, of both classes the same share. A sentence is a vector with a 1 for each of the 2,000 most \
    frequent words of the training part that it holds. One hidden layer of 16 units with half of them left out by dropout, \
    batches of 128, 20 epochs at most, with a learning rate of 0.001. `predict` takes the model and a table with a column \
    `text`."
)]
pub struct Arguments {
    #[command(flatten)]
    learning: Learning,
}

const WORDS: usize = 2000;

pub fn run(arguments: &Arguments) -> Result<()> {
    let learning = &arguments.learning;
    let sizes = Sizes { width: 16, depth: 1, dropout: 0.5, learning_rate: 1e-3 };
    let plan = learning.plan(Defaults { epochs: 20, batch_size: 128, sizes })?;
    let out = learning.out("reviews")?;
    let table = datasets::movie_reviews()?;
    let target = Target::new(&table, "sentiment", None)?;
    let text = Feature::Text { tokens: Tokens::Words, ngrams: 1, max_tokens: WORDS };
    let space = FeatureSpace::new().exclude("sentiment").feature("text", text);
    let split = |table: &Table| by_class(table, &target);
    let division = Division { fractions: [0.2, 0.1], split: &split, how: "at random", seed: plan.seed };
    let parts = Parts::new(&table, &target, space, &division)?;
    parts.describe()?;
    learning.learn(&parts, plan, &out)
}
