//! `uncrumple train csv`: anybody's table.

use super::learning::{Defaults, Learning};
use super::source::Source;
use clap::Args;
use uncrumple::Result;
use uncrumple::programs::tabular::Sizes;

/// Learn to predict a column of a table from the others
#[derive(Args)]
#[command(
    after_help = "Numbers are scaled to mean 0 and variance 1, and a cell without a value counts as the mean, with a mark \
    of its own; words become a vector with a 1 at their place. All of that is learnt from the training part alone. A part of \
    the rows is held out to be tested on in the end, and a part of the rest for validation: at random, of each class the \
    same share, unless --time or --group say otherwise. The network has two hidden layers of 64 units and sees batches of \
    32 rows, 100 epochs at most, with a learning rate of 0.001. Training ends when the validation loss has not improved \
    for a tenth of the epochs (10 at least), with the best weights. `predict` takes the model and a table with the same \
    columns."
)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,

    #[command(flatten)]
    learning: Learning,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { source, learning } = arguments;
    let plan = learning.plan(Defaults { epochs: 100, batch_size: 32, sizes: Sizes::default() })?;
    let parts = source.parts(plan.seed)?;
    let out = learning.out(&source.name())?;
    parts.describe()?;
    learning.learn(&parts, plan, &out)
}
