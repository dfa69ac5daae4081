//! `uncrumple train`: tasks on data that comes with the project, one file each, and on tables of one's own.

mod mnist;

use clap::{Args, Subcommand};
use uncrumple::Result;

/// Train a network on data that comes with the project
#[derive(Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Mnist(mnist::Arguments),
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.what {
        What::Mnist(arguments) => mnist::run(arguments),
    }
}
