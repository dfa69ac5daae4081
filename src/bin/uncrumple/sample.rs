//! `uncrumple sample`: pictures out of noise.

use crate::options::{Compute, named};
use crate::plot::Samples;
use crate::{say, warn};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Instant;
use uncrumple::diffusion::{Sample, SampleStep};
use uncrumple::files::prepare;
use uncrumple::prelude::*;
use uncrumple::programs::diffusion::{Denoiser, Told};

/// Make pictures of what is asked for, out of noise
#[derive(Args)]
#[command(
    after_help = "A model that `uncrumple train diffusion` or `train emoji` left has in its file how its pictures are made. \
    The grid has a row for each prompt. Few steps of ddim make a picture; ddpm, which adds noise again at each, wants many. \
    With guidance the network is asked with the prompt and without, and the picture goes beyond the first as far from the \
    second: 1 is the prompt alone, 0 no prompt, and more than 1 makes pictures that are more typical of it and more alike. \
    The same seed makes the same pictures, to the last bit on one device."
)]
pub struct Arguments {
    /// A .keras file of a model that makes pictures
    #[arg(value_name = "MODEL.keras")]
    model: PathBuf,

    /// What to make: a class that the model knows, or words; several times for several rows. Unless given each class, if
    /// there are some
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,

    /// Pictures of each prompt
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    count: u32,

    /// Steps from noise to a picture
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    steps: u32,

    /// How far to go from the picture without the prompt to that with it, and beyond
    #[arg(long, value_name = "G", default_value_t = 2.0, allow_negative_numbers = true, value_parser = guidance)]
    guidance: f64,

    /// How a step is made
    #[arg(long, value_name = "SAMPLER", value_enum, default_value_t = Sampler::Ddim)]
    sampler: Sampler,

    /// The PNG file for the pictures
    #[arg(long, value_name = "FILE.png")]
    out: PathBuf,

    /// An animated GIF too, of how the pictures come out of noise; of more than 60 steps some are left out
    #[arg(long, value_name = "FILE.gif")]
    gif: Option<PathBuf>,

    #[command(flatten)]
    compute: Compute,
}

/// The values have no descriptions: the help says it.
#[derive(Clone, Copy, ValueEnum)]
enum Sampler {
    Ddim,
    Ddpm,
}

/// A number that guidance can be.
pub fn guidance(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|g: &f64| g.is_finite()).ok_or_else(|| "a finite number".into())
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { count, steps, guidance, sampler, out, gif, .. } = arguments;
    named(out, "png")?;
    prepare(out)?;
    if let Some(gif) = gif {
        named(gif, "gif")?;
        prepare(gif)?;
    }
    let device = arguments.compute.start()?;
    let model = Model::load(&arguments.model)?.on(device);
    let wrong = |message: String| Error::File { path: arguments.model.clone(), message };
    let none = || wrong("makes no pictures: name one that `uncrumple train diffusion` or `train emoji` left".into());
    let denoiser = Denoiser::of(&model)?.ok_or_else(none)?;
    let prompts = prompts(&denoiser, &arguments.prompt)?;
    let sample = Sample::new(1)
        .steps(*steps as usize)
        .guidance(*guidance)
        .step(match sampler {
            Sampler::Ddim => SampleStep::Ddim,
            Sampler::Ddpm => SampleStep::Ddpm,
        })
        .seed(arguments.compute.seed());
    let begin = Instant::now();
    let columns = *count as usize;
    let samples = Samples { denoiser: &denoiser, model: &model, prompts: &prompts, columns, sample };
    samples.draw(out, gif.as_deref())?;
    let (count, seconds) = (prompts.len() * columns, begin.elapsed().as_secs_f64());
    let pictures = if count == 1 { "picture" } else { "pictures" };
    say(format!("{}  {count} {pictures} in {seconds:.1} s", out.display()))?;
    gif.as_ref().map_or(Ok(()), |gif| say(gif.display()))
}

/// What is asked for, row by row.
fn prompts(denoiser: &Denoiser, given: &[String]) -> Result<Vec<String>> {
    match (denoiser.told(), given) {
        (Told::Nothing, []) => Ok(vec![String::new()]),
        (Told::Nothing, _) => {
            Err(Error::Config("--prompt: the model is told nothing of its pictures: leave it out".into()))
        }
        (Told::Class(classes), []) => Ok(classes.clone()),
        (Told::Text(_), []) => Err(Error::Config("--prompt: is missing: say what the picture should show".into())),
        (told, given) => {
            // What nothing is known of is no warning.
            denoiser.conditions(&given.iter().map(String::as_str).collect::<Vec<_>>())?;
            if let Told::Text(side) = told {
                for prompt in given {
                    let unknown = side.unknown(prompt);
                    if !unknown.is_empty() {
                        warn(format!("--prompt: the model does not know {}", unknown.join(", ")));
                    }
                }
            }
            Ok(given.to_vec())
        }
    }
}
