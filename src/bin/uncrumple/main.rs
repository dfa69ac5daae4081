//! The command line: one file per subcommand.

mod arrays;
mod bench;
mod caption;
mod compiled;
mod devices;
mod evaluate;
mod fit;
mod generate;
mod grad_cam;
mod inspect;
mod options;
mod plot;
mod predict;
mod running;
mod sample;
mod summary;
mod train;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;
use uncrumple::{Error, Result};

/// Trains neural networks on NVIDIA GPUs and on the CPU, and opens and saves Keras's model files
#[derive(Parser)]
#[command(
    name = "uncrumple",
    bin_name = "uncrumple",
    version,
    propagate_version = false,
    max_term_width = 100,
    subcommand_required = true
)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
#[command(after_help = "`uncrumple COMMAND --help` tells what a command takes.\n\
    To begin with: `uncrumple train mnist` learns to read handwritten digits in under a minute.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::Arguments),
    Fit(fit::Arguments),
    Evaluate(evaluate::Arguments),
    Predict(predict::Arguments),
    Generate(generate::Arguments),
    Caption(caption::Arguments),
    Sample(sample::Arguments),
    GradCam(grad_cam::Arguments),
    Summary(summary::Arguments),
    Inspect(inspect::Arguments),
    Devices(devices::Arguments),
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let start = Instant::now();
    let done = match Arguments::parse().command {
        Command::Train(arguments) => train::run(&arguments),
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Caption(arguments) => caption::run(&arguments),
        Command::Sample(arguments) => sample::run(&arguments),
        Command::GradCam(arguments) => grad_cam::run(&arguments),
        Command::Summary(arguments) => summary::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments, start),
    };
    match done {
        Ok(()) if running::interrupted() => ExitCode::from(running::ABORTED as u8),
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(std::io::stderr(), "error: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Says on standard error what is no error, if anybody reads it.
fn warn(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}

/// Writes a line to standard output. Whoever read along may have read enough, as in `uncrumple train mnist | head -1`: what
/// the command leaves in files is made all the same.
fn say(text: impl std::fmt::Display) -> Result<()> {
    tell(format_args!("{text}\n")).map(drop)
}

/// Writes to standard output at once, without a line's end; says whether somebody reads it.
fn tell(text: impl std::fmt::Display) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    let written = write!(out, "{text}").and_then(|()| out.flush());
    match written {
        Err(source) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(source) => Err(Error::Io { path: "standard output".into(), source }),
        Ok(()) => Ok(true),
    }
}
