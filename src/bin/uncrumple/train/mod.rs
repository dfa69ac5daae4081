//! `uncrumple train`: tasks on data that comes with the project or is fetched for it, one file each, and on tables and
//! pictures of one's own.

mod boston;
mod caption;
mod category;
mod cifar10;
mod cmudict;
mod comparison;
mod csv;
mod denoising;
mod diffusion;
mod emoji;
mod fashion_mnist;
mod images;
mod judge;
mod learning;
mod mnist;
mod pace;
mod parts;
mod phonemes;
mod pictures;
mod reviews;
mod run;
mod sentiment;
mod sequences;
mod shakespeare;
mod source;
mod translate;
mod tune;
mod vae;
mod verdict;
mod weather;

use crate::say;
use clap::{Args, Subcommand};
use std::path::Path;
use uncrumple::Result;

/// Train a network on data that comes with the project, on a table, or on folders of pictures
#[derive(Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Mnist(mnist::Arguments),
    FashionMnist(fashion_mnist::Arguments),
    Cifar10(cifar10::Arguments),
    Images(images::Arguments),
    Boston(boston::Arguments),
    Reviews(reviews::Arguments),
    Sentiment(sentiment::Arguments),
    Phonemes(phonemes::Arguments),
    Cmudict(cmudict::Arguments),
    Translate(translate::Arguments),
    Weather(weather::Arguments),
    Shakespeare(shakespeare::Arguments),
    Vae(vae::Arguments),
    Diffusion(diffusion::Arguments),
    Emoji(emoji::Arguments),
    Caption(caption::Arguments),
    Category(category::Arguments),
    Csv(csv::Arguments),
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Mnist(arguments) => mnist::run(arguments),
        What::FashionMnist(arguments) => fashion_mnist::run(arguments),
        What::Cifar10(arguments) => cifar10::run(arguments),
        What::Images(arguments) => images::run(arguments),
        What::Boston(arguments) => boston::run(arguments),
        What::Reviews(arguments) => reviews::run(arguments),
        What::Sentiment(arguments) => sentiment::run(arguments),
        What::Phonemes(arguments) => phonemes::run(arguments),
        What::Cmudict(arguments) => cmudict::run(arguments),
        What::Translate(arguments) => translate::run(arguments),
        What::Weather(arguments) => weather::run(arguments),
        What::Shakespeare(arguments) => shakespeare::run(arguments),
        What::Vae(arguments) => vae::run(arguments),
        What::Diffusion(arguments) => diffusion::run(arguments),
        What::Emoji(arguments) => emoji::run(arguments),
        What::Caption(arguments) => caption::run(arguments),
        What::Category(arguments) => category::run(arguments),
        What::Csv(arguments) => csv::run(arguments),
    }
}

/// Prints which files a run has left in its folder, each with what it is.
fn print_left(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    let files: Vec<_> = files.iter().map(|(name, what)| (folder.join(name).display().to_string(), what)).collect();
    let width = files.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    files.iter().try_for_each(|(path, what)| say(format!("{path:<width$}  {what}")))
}
