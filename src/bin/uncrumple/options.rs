//! Options that several commands have.

use crate::warn;
use clap::{Args, ValueEnum};
use std::path::Path;
use uncrumple::device::cpu::threads;
use uncrumple::device::cuda;
use uncrumple::prelude::*;

/// What every command takes.
#[derive(Args, Clone)]
#[command(next_help_heading = "Common options")]
pub struct Compute {
    /// auto (the first CUDA device that can be used, else the CPU), cpu, or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: String,

    /// Threads of the CPU, 1024 at most; 0 stands for all of the machine's
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,

    /// Seed of all random numbers that the command draws; 0 unless given
    #[arg(long = "seed", value_name = "N")]
    pub given_seed: Option<u64>,

    /// Mark steps, layers and ops as NVTX ranges, for Nsight Systems
    #[arg(long)]
    pub nvtx: bool,
}

impl Compute {
    /// The seed, where nothing else has one.
    pub fn seed(&self) -> u64 {
        self.given_seed.unwrap_or(0)
    }

    /// Fixes the threads and finds the device.
    pub fn start(&self) -> Result<Device> {
        if self.threads > 0 {
            threads::set_count(self.threads)?;
        }
        if self.nvtx
            && let Err(message) = cuda::enable_profiling(true)
        {
            warn(message);
        }
        if self.device != "auto" {
            return self.device.parse();
        }
        Ok(Device::first_cuda().unwrap_or_else(|error| {
            // Whoever has a card expects it to be used.
            if cuda::count() > 0 {
                warn(format!("computing on the CPU: {error}"));
            }
            Device::Cpu
        }))
    }
}

/// Whether a device is written as it should be; whether it is there shows when it is used.
pub fn device(text: &str) -> Result<String, String> {
    let numbered = text.strip_prefix("cuda:").is_some_and(|n| n.parse::<u16>().is_ok());
    match text {
        "auto" | "cpu" => Ok(text.to_string()),
        _ if numbered => Ok(text.to_string()),
        _ => Err("write auto, cpu or cuda:N".to_string()),
    }
}

/// A learning rate.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate >= 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("a learning rate is a number of at least 0".to_string()),
    }
}

/// Refuses a file that is not named as what is written to it, such as the model that is read.
pub fn named(path: &Path, extension: &str) -> Result<()> {
    match path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension)) {
        true => Ok(()),
        false => Err(Error::Config(format!("{}: name a file that ends in .{extension}", path.display()))),
    }
}

/// `cpu with 8 threads`, `cuda:0 (NVIDIA H100 80GB HBM3)`.
pub fn describe(device: &Device) -> String {
    match device {
        Device::Cpu => match threads::count() {
            1 => "the CPU with 1 thread".to_string(),
            n => format!("the CPU with {n} threads"),
        },
        Device::Cuda(_) => {
            let cards = cuda::report().cards;
            let name = cards.iter().flatten().find(|card| format!("cuda:{}", card.ordinal) == device.to_string());
            name.map_or_else(|| device.to_string(), |card| format!("{device} ({})", card.name))
        }
    }
}

/// What layers compute in. The values have no descriptions of their own, which would make the help three times as long.
#[derive(Clone, Copy, ValueEnum)]
pub enum Policy {
    #[value(name = "float32")]
    Float32,
    #[value(name = "mixed_bfloat16")]
    MixedBfloat16,
}

impl From<Policy> for Precision {
    fn from(policy: Policy) -> Precision {
        match policy {
            Policy::Float32 => Precision::F32,
            Policy::MixedBfloat16 => Precision::MixedBf16,
        }
    }
}
