//! `uncrumple train phonemes`: which sounds a word has.

use super::learning::{Defaults, Learning};
use super::parts::{Division, Parts, numbered};
use clap::Args;
use uncrumple::data::{Feature, FeatureSpace, Table, Tokens};
use uncrumple::prelude::*;
use uncrumple::programs::tabular::{Problem, Sizes, Target};

/// Learn which of 39 sounds a word has from its letters
#[derive(Args)]
#[command(
    after_help = "The CMU Pronouncing Dictionary (datasets/cmudict): 124,567 pronunciations of English words, of which \
    20,000 at most are taken, evenly from A to Z, unless --limit says otherwise. A fifth is held out for the test and a \
    tenth of the rest for validation; pronunciations of one word stay together. A word is a vector with a 1 for each of the \
    1,500 most frequent runs of one to three letters of the training part that it holds. One hidden layer of 256 units, \
    batches of 128, 12 epochs at most, with a learning rate of 0.001. A sound is said to be there where its probability is \
    above one half."
)]
pub struct Arguments {
    /// Pronunciations to take at most, evenly from the whole dictionary
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..))]
    limit: u32,

    #[command(flatten)]
    learning: Learning,
}

const RUNS: usize = 1500;

pub fn run(arguments: &Arguments) -> Result<()> {
    let learning = &arguments.learning;
    let sizes = Sizes { width: 256, depth: 1, dropout: 0.0, learning_rate: 1e-3 };
    let plan = learning.plan(Defaults { epochs: 12, batch_size: 128, sizes })?;
    let out = learning.out("phonemes")?;
    let all = datasets::cmudict()?;
    let every = all.rows().div_ceil(arguments.limit as usize);
    let table = all.take(&(0..all.rows() as i32).step_by(every).collect::<Vec<_>>())?;
    let target = Target::new(&table, "phonemes", Some(Problem::Multilabel))?;
    let letters = Feature::Text { tokens: Tokens::Letters, ngrams: 3, max_tokens: RUNS };
    let space = FeatureSpace::new().exclude("phonemes").feature("word", letters);
    let split = |table: &Table| Ok(Split::grouped(numbered(table, "word")?));
    let division = Division { fractions: [0.2, 0.1], split: &split, how: "whole words", seed: plan.seed };
    let parts = Parts::new(&table, &target, space, &division)?;
    parts.describe()?;
    learning.learn(&parts, plan, &out)
}
