//! `uncrumple train`: tasks on data that comes with the project, one file each, and on tables of one's own.

mod boston;
mod csv;
mod learning;
mod mnist;
mod parts;
mod phonemes;
mod reviews;
mod source;
mod tune;
mod verdict;

use crate::say;
use clap::{Args, Subcommand};
use std::path::Path;
use uncrumple::Result;

/// Train a network on data that comes with the project, or on a table
#[derive(Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Mnist(mnist::Arguments),
    Boston(boston::Arguments),
    Reviews(reviews::Arguments),
    Phonemes(phonemes::Arguments),
    Csv(csv::Arguments),
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Mnist(arguments) => mnist::run(arguments),
        What::Boston(arguments) => boston::run(arguments),
        What::Reviews(arguments) => reviews::run(arguments),
        What::Phonemes(arguments) => phonemes::run(arguments),
        What::Csv(arguments) => csv::run(arguments),
    }
}

/// Prints which files a run has left in its folder, each with what it is.
fn print_left(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    files.iter().try_for_each(|(name, what)| say(format!("{:<34}  {what}", folder.join(name).display())))
}
