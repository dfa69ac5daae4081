//! `uncrumple caption`: what pictures show, in words.

use crate::options::Compute;
use crate::say;
use clap::Args;
use std::path::PathBuf;
use uncrumple::prelude::*;
use uncrumple::programs::captions::Captions;

/// Say in words what pictures show
#[derive(Args)]
#[command(
    after_help = "A model that `uncrumple train caption` left has in its file what pictures it reads and which words it \
    writes. Pictures are brought to its size, and what is transparent is put on white. Each gets a line: its file, and \
    the words that are likeliest, one after the other."
)]
pub struct Arguments {
    /// A .keras file of a model that writes captions
    #[arg(value_name = "MODEL.keras")]
    model: PathBuf,

    /// PNG and JPEG files
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,

    /// Search the likeliest caption with N captions at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    beams: Option<u32>,

    #[command(flatten)]
    compute: Compute,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start()?;
    let model = Model::load(&arguments.model)?.on(device);
    let none = || Error::File {
        path: arguments.model.clone(),
        message: "writes no captions: name one that `uncrumple train caption` left".into(),
    };
    let captions = Captions::of(&model)?.ok_or_else(none)?;
    let pictures = captions.load(&arguments.images)?;
    let sampler = match arguments.beams {
        Some(beams) => Sampler::Beam { num_beams: beams as usize, length_penalty: 1.0 },
        None => Sampler::Greedy,
    };
    let written = captions.write(&model, &pictures, &captions.generate().sampler(sampler))?;
    let names: Vec<String> = arguments.images.iter().map(|path| path.display().to_string()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    names.iter().zip(&written).try_for_each(|(name, caption)| {
        say(format!("{name:<width$}  {}", if caption.is_empty() { "(no words)" } else { caption }))
    })
}
