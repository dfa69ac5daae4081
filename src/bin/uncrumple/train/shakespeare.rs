//! `uncrumple train shakespeare`: a network that writes like him, letter by letter.

use super::print_left;
use super::run::Run;
use crate::options::{describe, rate};
use crate::{plot, say};
use clap::Args;
use uncrumple::data::Source;
use uncrumple::data::datasets::Work;
use uncrumple::prelude::*;
use uncrumple::programs::language::{BLOCKS, CONTEXT, Characters, Frequencies, HEADS, WIDTH, network, windows};

/// Learn to write like Shakespeare, letter by letter
#[derive(Args)]
#[command(
    after_help = "The 42 works (datasets/shakespeare): 38 to learn from, and the last four held out, about which nothing is \
    known before. A network of four causal transformer blocks sees 128 characters at a time and says which comes behind each \
    of them. An epoch is 150 steps of 16 windows that are drawn from all; after each a tenth of the held-out windows is looked \
    at, in the end all of them. The loss is in nats a character, beside those of who knows only how often characters are, and \
    which follows which. AdamW minimises it with a learning rate that rises to 0.002 in the first twentieth of all steps \
    and falls to nothing by the last. `generate` writes on from a beginning of your own."
)]
pub struct Arguments {
    /// Epochs, by which the learning rate is laid out
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,

    /// Steps of an epoch, at most
    #[arg(long, value_name = "N", default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,

    /// Windows of a step
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// The highest learning rate
    #[arg(long, value_name = "RATE", default_value_t = 2e-3, allow_negative_numbers = true, value_parser = rate)]
    learning_rate: f64,

    /// Take only the first N characters to learn from, and of the held-out ones; 1,000 or more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1000..))]
    limit: Option<u32>,

    #[command(flatten)]
    run: Run,
}

/// The works to learn from are the first ones.
const FIRST: usize = 38;
/// Of the held-out windows one of so many is looked at after each epoch.
const EVERY: usize = 10;
/// Windows that are looked at together.
const TOGETHER: usize = 64;
/// What the sample of the end begins with, as speeches do in the works.
const PROMPT: &str = "HAMLET.\n";
const WRITTEN: usize = 400;
const TEMPERATURE: f64 = 0.8;

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { epochs, steps, batch_size, learning_rate, limit, run } = arguments;
    let device = run.compute.start()?;
    let out = run.out("shakespeare")?;
    let works = datasets::shakespeare()?;
    let (first, held_out) = works.split_at(FIRST.min(works.len()));
    let [text, other] = [first, held_out].map(|works| joined(works, *limit));
    let characters = Characters::of_text(&text);
    let numbers = characters.numbers(&text);
    let train = windows(&numbers, CONTEXT)?;
    let test = windows(&characters.numbers(&other), CONTEXT)?.held_out();
    let validation = every(&test, EVERY)?;
    let model = network(characters.count())?.seed(run.compute.seed())?;
    let titles: Vec<&str> = held_out.iter().map(|work| work.title.as_str()).collect();
    say(format!(
        "works    {} to learn from; held out are {}\n\
         text     {} characters to learn from, {} different ones, and {} held out\n\
         network  {BLOCKS} causal blocks of {WIDTH} with {HEADS} heads, {CONTEXT} characters at a time, {} parameters\n\
         on       {}\n",
        first.len(),
        titles.join(", "),
        text.chars().count(),
        characters.count() - 1,
        other.chars().count(),
        model.count_params(),
        describe(&device)
    ))?;

    let model = characters.attach(model.precision(run.precision.into()).on(device))?;
    let [epochs, steps, batch_size] = [epochs, steps, batch_size].map(|n| *n as usize);
    let all = epochs * steps.min(train.len().div_ceil(batch_size));
    let warmup = all / 20;
    let fall = CosineDecay::new(0.0, all - warmup).warmup(*learning_rate, warmup);
    let loss = SparseCategoricalCrossentropy::from_logits();
    let mut trainer = model.compile(AdamW::new(fall), loss, [Accuracy::new()])?;
    let fit = Fit::epochs(epochs).steps_per_epoch(steps).batch_size(batch_size).validation_data(&validation);
    let Some(history) = run.train(&mut trainer, &train, fit, &out)? else { return Ok(()) };

    let figures = trainer.evaluate_with(&test, TOGETHER)?;
    let network = figures.get("loss").unwrap_or(f64::NAN);
    let [single, pair] = Frequencies::new(&numbers, characters.count())?.losses(&test)?;
    say(format!("\n{:<42} {:>16}", format!("{} held-out characters", test.len() * CONTEXT), "nats a character"))?;
    for (who, loss) in [
        ("all characters alike", (characters.count() as f64).ln()),
        ("how often each character is", single),
        ("which character follows which", pair),
        ("the network", network),
    ] {
        say(format!("{who:<42} {loss:>16.3}"))?;
    }
    let right = figures.get("accuracy").unwrap_or(f64::NAN) * 100.0;
    say(format!("The likeliest character is the right one for {right:.1} %.\n"))?;
    plot::learning_curves(&history, "accuracy", &out.join("learning-curves.png"))?;
    say(sample(trainer.model(), &characters, run.compute.seed())?)?;
    say("")?;
    print_left(&out, &LEFT)
}

/// What a run leaves in its folder.
const LEFT: [(&str, &str); 3] = [
    ("model.keras", "the trained model with its characters: `uncrumple generate` takes it and a --prompt"),
    ("history.csv", "loss and accuracy of each epoch"),
    ("learning-curves.png", "the same as curves"),
];

/// The texts one behind the other, up to a limit.
fn joined(works: &[Work], limit: Option<u32>) -> String {
    let text = works.iter().map(|work| work.text.as_str()).collect::<Vec<_>>().join("\n");
    match limit {
        Some(limit) => text.chars().take(limit as usize).collect(),
        None => text,
    }
}

/// One of so many windows, from the whole.
fn every(windows: &Dataset, n: usize) -> Result<Dataset> {
    let places: Vec<i32> = (0..windows.len() as i32).step_by(n).collect();
    windows.read(&places)
}

/// What the network writes where it may, in its own lines.
fn sample(model: &Model, characters: &Characters, seed: u64) -> Result<String> {
    // Whoever learnt from little may know fewer characters.
    let prompt = characters.known_numbers(PROMPT).unwrap_or_else(|_| vec![1]);
    let sampler = Sampler::Random { temperature: TEMPERATURE };
    let options = Generate::max_length(prompt.len() + WRITTEN).sampler(sampler).seed(seed).slide(true);
    let written = model.generate(&[prompt], &options)?.concat();
    Ok(format!("It writes, at a temperature of {TEMPERATURE}:\n\n{}", characters.text(&written)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_are_joined_up_to_a_limit() {
        let works = ["To be", "or not"].map(|text| Work { title: String::new(), text: text.into() });
        assert_eq!(joined(&works, None), "To be\nor not");
        assert_eq!(joined(&works, Some(7)), "To be\no");
    }

    #[test]
    fn a_part_of_the_windows_is_from_the_whole() -> Result<()> {
        let windows = windows(&(0..101).collect::<Vec<_>>(), 2)?;
        let part = every(&windows, 20)?;
        assert_eq!(part.inputs()[0].to_vec::<i32>()?, [0, 1, 40, 41, 80, 81]);
        assert_eq!(part.targets()[0].to_vec::<i32>()?, [1, 2, 41, 42, 81, 82]);
        Ok(())
    }
}
