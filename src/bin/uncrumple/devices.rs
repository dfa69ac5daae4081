//! `uncrumple devices`: what there is to compute on.

use crate::{options, say};
use clap::Args;
use uncrumple::device::cpu::threads;
use uncrumple::device::cuda;
use uncrumple::prelude::*;

/// Show what there is to compute on, what is missing and how to get it
#[derive(Args)]
#[command(
    after_help = "Looks for the NVIDIA driver, its cards, cuBLAS, and the kernels of this binary. Nothing that is \
    missing is an error, unless --device asks for it."
)]
pub struct Arguments {
    #[command(flatten)]
    compute: options::Compute,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start();
    let (threads, report) = (threads::count(), cuda::report());
    say(format!("{:11}{threads} thread{}", "cpu", if threads == 1 { "" } else { "s" }))?;
    say(report.to_string().trim_end())?;
    let device = device?;
    say(match arguments.compute.device.as_str() {
        "auto" => format!("\n--device auto uses {}.", options::describe(&device)),
        name => format!("\n--device {name} can be used."),
    })
}
