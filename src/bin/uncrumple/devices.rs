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
    /// Fail unless this device can be used: auto, cpu or cuda:N
    #[arg(long, value_name = "DEVICE", value_parser = options::device)]
    device: Option<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let report = cuda::report();
    say(format!("{:11}{} threads", "cpu", threads::count()))?;
    say(report.to_string().trim_end())?;
    let best = arguments.device.as_deref().unwrap_or("auto").parse::<Device>()?;
    let chosen = match arguments.device.as_deref() {
        None | Some("auto") => format!("--device auto uses {}", options::describe(&best)),
        Some(name) => format!("--device {name} can be used"),
    };
    say(format!("\n{chosen}."))
}
