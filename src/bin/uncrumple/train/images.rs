//! `uncrumple train images`: anybody's pictures.

use super::parts::some;
use super::pictures::{Learning, Parts, Task, find, names, network};
use crate::{say, warn};
use clap::Args;
use std::path::{Component, Path, PathBuf};
use uncrumple::data::{ColorMode, ImageFolder};
use uncrumple::prelude::*;
use uncrumple::programs::pictures::Pictures;

/// Learn to tell pictures apart that lie in a folder for each class
#[derive(Args)]
#[command(
    after_help = "DIR holds a folder for each class, named as it is, with PNG and JPEG files in it or in folders below. \
    Pictures are brought to one size: the median of theirs in steps of 8 pixels, 32 at least and 64 at most, unless --size \
    says otherwise. Where all are grey the network sees one channel, else three. Of each class a fifth of the pictures is \
    held out for the test and a tenth of the rest for validation. In training pictures are moved and mirrored at random, by \
    layers that are a part of the model. Batches of 32, 30 epochs, with a learning rate that falls in equal steps from 0.001 \
    on. convnet (three convolutions) learns from few pictures, too; separable-convnet and resnet want thousands. \
    `predict MODEL --image FILE` says what the network takes a picture for."
)]
pub struct Arguments {
    /// The folder that holds a folder of pictures for each class
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// The program that learns
    #[arg(long, value_name = "NAME", default_value = TASKS[0].program, value_parser = names(&TASKS))]
    program: String,

    /// The height and width that pictures get, such as 48x64, or one number for both
    #[arg(long, value_name = "SIZE", value_parser = size)]
    size: Option<Size>,

    /// Do not mirror pictures in training, as where they hold letters or digits
    #[arg(long)]
    no_flip: bool,

    #[command(flatten)]
    learning: Learning,
}

const CONVNET: Task = Task { program: "convnet", epochs: 30, batch_size: 32, rate: 1e-3, power: 1.0, goal: None };
const TASKS: [Task; 3] =
    [CONVNET, Task { program: "separable-convnet", ..CONVNET }, Task { program: "resnet", ..CONVNET }];

const TEST: f64 = 0.2;
const VALIDATION: f64 = 0.1;

/// Pictures of a class that are needed for three parts.
const FEWEST: usize = 3;

/// What pictures are brought to where nobody says otherwise: sides are whole steps, from the least that all programs can
/// see to what a CPU sees in time.
const STEP: f64 = 8.0;
const SHORTEST: f64 = 32.0;
const LONGEST: f64 = 64.0;

/// Height and width.
type Size = [usize; 2];

fn size(text: &str) -> Result<Size, String> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    match [height, width].map(|side| side.parse().ok().filter(|n| (1..=1024).contains(n))) {
        [Some(height), Some(width)] => Ok([height, width]),
        _ => Err("write HEIGHTxWIDTH, from 1 to 1024 pixels each, such as 48x64".into()),
    }
}

/// About this size, no larger than programs see in time and no smaller than they can.
fn handy(size: Size) -> Size {
    let longer = size[0].max(size[1]) as f64;
    let scale = (LONGEST / longer).min(1.0);
    size.map(|n| ((n as f64 * scale / STEP).round() * STEP).max(SHORTEST) as usize)
}

/// Refuses a folder for results in that of the pictures, where it would be taken for a class.
fn check_outside(pictures: &Path, out: &Path) -> Result<()> {
    match settled(out)?.starts_with(settled(pictures)?) {
        true => Err(Error::Config(format!(
            "--out {}: lies in {}, where each folder is a class: name a folder outside of it",
            out.display(),
            pictures.display()
        ))),
        false => Ok(()),
    }
}

/// The whole path, without links and detours, of what need not be there.
fn settled(path: &Path) -> Result<PathBuf> {
    let mut place = std::env::current_dir().map_err(|source| Error::Io { path: ".".into(), source })?;
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(place.pop()),
            _ => place.push(part),
        }
        place = place.canonicalize().unwrap_or(place);
    }
    Ok(place)
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { folder, program, size, no_flip, learning } = arguments;
    let task = find(&TASKS, program);
    let plan = learning.plan(task)?;
    let name = folder.file_name().map_or_else(|| "images".into(), |name| name.to_string_lossy().into_owned());
    check_outside(folder, &learning.place(&name))?;
    let found = ImageFolder::open(folder)?;
    let mut counts = vec![0; found.classes().len()];
    found.files().iter().for_each(|(_, class)| counts[*class as usize] += 1);
    if let Some((class, n)) = found.classes().iter().zip(&counts).find(|(_, n)| **n < FEWEST) {
        let pictures = if *n == 1 { "picture" } else { "pictures" };
        let message =
            format!("holds {n} {pictures}: expected {FEWEST} at least, to train on, for validation and to test on");
        return Err(Error::File { path: folder.join(class), message });
    }
    let (median, grey) = found.survey()?;
    let size = size.unwrap_or_else(|| handy(median));
    let mode = if grey { ColorMode::Grayscale } else { ColorMode::Rgb };
    let classes = found.classes().to_vec();
    let image = [size[0], size[1], mode.channels()];
    // Whether the program can see pictures of this size shows before a folder is made.
    let model = network(task.program, image, classes.len(), !no_flip).map_err(|e| {
        let [height, width] = size;
        Error::Config(format!(
            "{} cannot see pictures of {height}x{width}, so --size must be larger: {e}",
            task.program
        ))
    })?;
    let out = learning.out(&name)?;

    let all = found.load(size, mode)?;
    let split =
        |data: &Dataset, fraction: f64| data.split(fraction, &Split::stratified(data.classes()?).seed(learning.seed()));
    let (rest, test) = split(&all, TEST)?;
    let (train, validation) = split(&rest, VALIDATION)?;
    let pictures = Pictures { image, scale: 1.0, classes };
    let shares = pictures.classes.iter().zip(&counts).map(|(class, n)| format!("{class} {n}"));
    say(format!("{}: {}", folder.display(), some(shares.collect(), 12)))?;
    if found.passed_over() > 0 {
        warn(format!("passed over, called neither .png, .jpg nor .jpeg: {}", found.passed_over()));
    }
    learning.learn(plan, Parts { train, validation, test, pictures }, model, &out)
}
