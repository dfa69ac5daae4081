//! What tasks share that write one sequence for another.

use super::pace::Pace;
use super::print_left;
use super::run::Run;
use crate::options::describe;
use crate::{plot, say};
use clap::Args;
use std::path::PathBuf;
use uncrumple::callbacks::EarlyStopping;
use uncrumple::prelude::*;
use uncrumple::programs::captions::Captions;
use uncrumple::programs::sequences::{HEAD, Sequences, Sizes};

/// Options of a task on pairs of sequences; what is not given is the task's own.
#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    pace: Pace,

    /// Numbers that stand for a token in each layer, a multiple of 32
    #[arg(long, value_name = "N", value_parser = width)]
    width: Option<u32>,

    /// Layers of the encoder if it is one of transformers, and of the decoder
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    depth: Option<u32>,

    /// The share that dropout leaves out of what layers add
    #[arg(long, value_name = "RATE", allow_negative_numbers = true, value_parser = dropout)]
    dropout: Option<f64>,

    #[command(flatten)]
    run: Run,
}

fn width(text: &str) -> Result<u32, String> {
    let width = text.parse::<u32>().ok().filter(|width| *width > 0 && width.is_multiple_of(HEAD as u32));
    width.ok_or_else(|| format!("expected a multiple of {HEAD}"))
}

fn dropout(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (0.0..1.0).contains(rate));
    rate.ok_or_else(|| "expected at least 0 and less than 1".into())
}

/// What a task takes where nothing is given.
pub struct Defaults {
    pub epochs: usize,
    pub batch_size: usize,
    pub sizes: Sizes,
    pub learning_rate: f64,
}

/// A task under way.
pub struct Started<'a> {
    options: &'a Options,
    device: Device,
    out: PathBuf,
}

/// What learns to write sequences.
pub trait Learns {
    /// Its network.
    fn model(&self, sizes: Sizes) -> Result<Model>;
    /// Its network in words.
    fn describe(&self, depth: usize, width: usize) -> String;
    /// A trainer of its network.
    fn compile(&self, model: Model, rate: CosineDecay) -> Result<Trainer>;
    /// Whether the weights of the best epoch by validation are kept, or those of the last.
    fn keeps_best(&self) -> bool {
        true
    }
}

impl Learns for Sequences {
    fn model(&self, sizes: Sizes) -> Result<Model> {
        self.model(sizes)
    }

    fn describe(&self, depth: usize, width: usize) -> String {
        format!("encoder and decoder of transformers, {depth} + {depth} layers of {width}")
    }

    fn compile(&self, model: Model, rate: CosineDecay) -> Result<Trainer> {
        self.compile(model, rate)
    }
}

impl Learns for Captions {
    /// So few names are soon known by heart: from then on the loss of others grows by those words that the network is sure of
    /// and wrong about, while it still learns what pictures look like.
    fn keeps_best(&self) -> bool {
        false
    }

    fn model(&self, sizes: Sizes) -> Result<Model> {
        self.model(sizes)
    }

    fn describe(&self, depth: usize, width: usize) -> String {
        let layers = if depth == 1 { "layer" } else { "layers" };
        format!("four convolutions, and a decoder of transformers, {depth} {layers} of {width}")
    }

    fn compile(&self, model: Model, rate: CosineDecay) -> Result<Trainer> {
        self.compile(model, rate)
    }
}

/// What is read, and what should be written.
pub type Pair<'a> = (&'a str, &'a str);

impl Options {
    pub fn seed(&self) -> u64 {
        self.run.compute.seed()
    }

    /// Finds the device, which comes before all that computes, and makes the folder.
    pub fn start(&self, name: &str) -> Result<Started<'_>> {
        let device = self.run.compute.start()?;
        Ok(Started { options: self, device, out: self.run.out(name)? })
    }
}

impl Started<'_> {
    /// Trains a network and leaves it with its history and curves; nothing comes back where Ctrl-C ended it.
    pub fn learn(
        &self,
        what: &impl Learns,
        [train, validation]: [&Dataset; 2],
        defaults: Defaults,
    ) -> Result<Option<Model>> {
        let Started { options, device, out } = self;
        let given = |given: Option<u32>, own: usize| given.map_or(own, |n| n as usize);
        let epochs = options.pace.epochs(defaults.epochs);
        let batch = options.pace.batch_size(defaults.batch_size);
        let sizes = Sizes {
            width: given(options.width, defaults.sizes.width),
            depth: given(options.depth, defaults.sizes.depth),
            dropout: options.dropout.unwrap_or(defaults.sizes.dropout),
        };
        let model = what.model(sizes)?.seed(options.seed())?;
        let Sizes { width, depth, .. } = sizes;
        let parameters = model.count_params();
        say(format!("network  {}, {parameters} parameters", what.describe(depth, width)))?;
        say(format!("on       {}\n", describe(device)))?;

        let steps = epochs.saturating_mul(train.len().div_ceil(batch));
        let schedule = options.pace.schedule(defaults.learning_rate, steps, 10);
        let model = model.precision(options.run.precision.into()).on(device.clone());
        let mut trainer = what.compile(model, schedule)?;
        let mut fit = Fit::epochs(epochs).batch_size(batch).validation_data(validation);
        if what.keeps_best() {
            fit = fit.callback(EarlyStopping::new().patience(epochs).restore_best_weights());
        }
        let Some(history) = options.run.train(&mut trainer, train, fit, out)? else {
            return Ok(None);
        };
        plot::learning_curves(&history, "accuracy", &out.join("learning-curves.png"))?;
        say("")?;
        Ok(Some(trainer.into_model()))
    }

    /// Prints which files are left.
    pub fn finish(&self) -> Result<()> {
        say("")?;
        print_left(&self.out, &LEFT)
    }
}

/// What a run leaves in its folder.
const LEFT: [(&str, &str); 3] = [
    ("model.keras", "the trained network, with its vocabularies"),
    ("history.csv", "loss and accuracy of each epoch, of single tokens where those before are right"),
    ("learning-curves.png", "the same as curves"),
];

/// Prints names, each with its figures below their titles.
pub fn figures(titles: &[String], rows: &[(&str, Vec<String>)]) -> Result<()> {
    let length = |cell: &str| cell.chars().count();
    let first = rows.iter().map(|(name, _)| length(name)).chain(titles.first().map(|t| length(t))).max().unwrap_or(0);
    let line = |name: &str, cells: &[String]| {
        let cells = cells.iter().zip(&titles[1..]).map(|(cell, title)| format!("   {cell:>0$}", length(title)));
        format!("{name:<first$}{}", cells.collect::<String>())
    };
    say(line(&titles[0], &titles[1..]))?;
    rows.iter().try_for_each(|(name, cells)| say(line(name, cells)))
}

/// How many examples are shown.
pub const EXAMPLES: usize = 10;

/// Prints what was read, what was written for it, and what should have been: in columns, or below each other where
/// these would be too wide.
pub fn examples(names: [&str; 3], rows: &[[&str; 3]]) -> Result<()> {
    const WIDEST: usize = 100;
    let lines = || std::iter::once(&names).chain(rows);
    let width = [0, 1, 2].map(|i| lines().map(|line| line[i].chars().count()).max().unwrap_or(0));
    say("")?;
    if width.iter().sum::<usize>() <= WIDEST {
        let [a, b, _] = width;
        return lines().try_for_each(|[x, y, z]| say(format!("{x:<a$}   {y:<b$}   {z}").trim_end()));
    }
    let name = names.map(|name| name.chars().count()).into_iter().max().unwrap_or(0);
    rows.iter().enumerate().try_for_each(|(i, row)| {
        if i > 0 {
            say("")?;
        }
        names.iter().zip(row).try_for_each(|(title, text)| say(format!("{title:<name$}   {text}").trim_end()))
    })
}
