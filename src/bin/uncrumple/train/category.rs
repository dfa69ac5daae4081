//! `uncrumple train category`: what kind of thing an emoji is, by its picture and its name.

use super::pace::Pace;
use super::print_left;
use super::run::Run;
use super::sequences::figures;
use crate::options::describe;
use crate::{plot, say};
use clap::Args;
use std::path::Path;
use uncrumple::callbacks::EarlyStopping;
use uncrumple::data::TextVectorization;
use uncrumple::data::datasets::{EMOJI_CATEGORIES, EmojiSet};
use uncrumple::prelude::*;
use uncrumple::programs::pictures::Pictures;

/// Learn what kind of thing an emoji is, by its picture, its name, and both
#[derive(Args)]
#[command(
    after_help = "Emoji of nine categories (datasets/emoji): 1696 to train on, of which a twentieth is for validation, and \
    157 to be tested on, of which no person, man and woman who do the same stand on both sides. Three networks learn: one \
    sees the picture (two convolutions), one reads the words of the name (the mean of their vectors), and one with two \
    inputs does both. Beside them stands who always says the most frequent category. The weights of the best epoch by \
    validation are kept. By default 30 epochs of batches of 32, with Adam and a learning rate of 0.001: less than a minute \
    of two CPU cores."
)]
pub struct Arguments {
    #[command(flatten)]
    pace: Pace,

    #[command(flatten)]
    run: Run,
}

const EPOCHS: usize = 30;
const BATCH: usize = 32;
const RATE: f64 = 1e-3;
/// Words of a name that are read at most, and words that are known, those for nothing and for unknown ones included.
const WORDS: usize = 8;
const VOCABULARY: usize = 1500;
const UNITS: usize = 64;
const IMAGE: [usize; 3] = [32, 32, 3];

/// What a network is told of an emoji.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Picture,
    Name,
    Both,
}

const ALL: [(Seen, &str, &str); 3] =
    [(Seen::Picture, "picture", "the picture"), (Seen::Name, "name", "the name"), (Seen::Both, "both", "both")];

/// A network that tells categories by what it sees.
fn network(seen: Seen) -> Result<Model> {
    let (picture, name) = (Input::new(IMAGE), Input::with([WORDS], DType::I32, None));
    let conv = |filters| Conv2D::new(filters, 3).strides(2).padding(Padding::Same).relu();
    let of_picture = || -> Result<Symbol> {
        let x = conv(64).call(&conv(32).call(&picture)?)?;
        Dense::new(UNITS).relu().call(&Dropout::new(0.3).call(&Flatten::new().call(&x)?)?)
    };
    let of_name = || -> Result<Symbol> {
        let x = Embedding::new(VOCABULARY, UNITS).mask_zero(true).call(&name)?;
        Dropout::new(0.3).call(&GlobalAveragePooling1D::new().call(&x)?)
    };
    let (inputs, x) = match seen {
        Seen::Picture => (vec![picture.clone()], of_picture()?),
        Seen::Name => (vec![name.clone()], of_name()?),
        Seen::Both => (vec![picture.clone(), name.clone()], Concatenate::new().call([&of_picture()?, &of_name()?])?),
    };
    let x = Dropout::new(0.3).call(&Dense::new(UNITS).relu().call(&x)?)?;
    Model::new(&inputs, &Dense::new(EMOJI_CATEGORIES.len()).softmax().call(&x)?)
}

/// How `predict` brings pictures to the network, and names what it says.
fn pictures() -> Pictures {
    Pictures { image: IMAGE, scale: 1.0 / 255.0, classes: EMOJI_CATEGORIES.map(String::from).into() }
}

/// Pictures and names, and what they are of.
struct Part {
    pictures: Tensor,
    names: Tensor,
    categories: Tensor,
}

impl Part {
    fn of(set: &EmojiSet, words: &TextVectorization) -> Result<Part> {
        let names: Vec<&str> = set.emoji.iter().map(|emoji| emoji.name.as_str()).collect();
        Ok(Part { pictures: set.pictures.clone(), names: words.call(&names)?, categories: set.categories()? })
    }

    fn seen(&self, seen: Seen) -> Result<Dataset> {
        let inputs = match seen {
            Seen::Picture => vec![self.pictures.clone()],
            Seen::Name => vec![self.names.clone()],
            Seen::Both => vec![self.pictures.clone(), self.names.clone()],
        };
        Dataset::new(inputs, &self.categories)
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { pace, run } = arguments;
    let device = run.compute.start()?;
    let out = run.out("category")?;
    let (train, test) = datasets::emoji()?;
    let mut words = TextVectorization::new().max_tokens(VOCABULARY).output_sequence_length(WORDS);
    words.adapt(&train.emoji.iter().map(|emoji| emoji.name.as_str()).collect::<Vec<_>>())?;
    let split = Split::grouped(train.groups()).seed(run.compute.seed());
    let (train, test) = (Part::of(&train, &words)?, Part::of(&test, &words)?);
    let labels = test.categories.to_vec::<i32>()?;
    say(format!("emoji    {} to train on, {} to be tested on", train.categories.shape().size(), labels.len()))?;
    say(format!("on       {}\n", describe(&device)))?;

    let known = train.seen(Seen::Name)?.class_counts()?;
    let (most, _) = known.iter().rev().max_by_key(|(_, count)| *count).copied().unwrap_or_default();
    let right = labels.iter().filter(|&&label| i64::from(label) == most).count();
    let mut rows = vec![("the most frequent category", vec!["".into(), percent(right as f64 / labels.len() as f64)])];
    for (seen, folder, name) in ALL {
        say(format!("{name}:"))?;
        let place = out.join(folder);
        std::fs::create_dir_all(&place).map_err(|source| Error::Io { path: place.clone(), source })?;
        let (data, validation) = train.seen(seen)?.split(0.05, &split)?;
        let model = network(seen)?.seed(run.compute.seed())?.precision(run.precision.into()).on(device.clone());
        let model = if seen == Seen::Picture { pictures().attach(model)? } else { model };
        let parameters = model.count_params();
        let rate = pace.learning_rate(RATE);
        let mut trainer = model.compile(Adam::new(rate), SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
        let epochs = pace.epochs(EPOCHS);
        let fit = Fit::epochs(epochs)
            .batch_size(pace.batch_size(BATCH))
            .validation_data(&validation)
            .callback(EarlyStopping::new().patience(epochs).restore_best_weights());
        let Some(history) = run.train_one_of_several(&mut trainer, &data, fit, &place)? else { return Ok(()) };
        plot::learning_curves(&history, "accuracy", &place.join("learning-curves.png"))?;
        let accuracy = trainer.evaluate_with(&test.seen(seen)?, 200)?.get("accuracy").unwrap_or(f64::NAN);
        rows.push((name, vec![parameters.to_string(), percent(accuracy)]));
        say("")?;
    }
    for (_, folder, _) in ALL {
        run.finish(&out.join(folder))?;
    }
    figures(&[format!("{} test emoji, by", labels.len()), "parameters".into(), "accuracy".into()], &rows)?;
    say("")?;
    left(&out)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Prints what is left of each network.
fn left(out: &Path) -> Result<()> {
    ALL.iter().try_for_each(|(_, folder, name)| {
        let network = format!("the network that goes by {name}");
        let files = [
            ("model.keras", &*network),
            ("history.csv", "loss and accuracy of each epoch"),
            ("learning-curves.png", "the same as curves"),
        ];
        print_left(&out.join(folder), &files)
    })
}
