//! `uncrumple bench`: how long training steps take.

use crate::options::{Compute, Policy};
use crate::say;
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use uncrumple::device::cpu::threads;
use uncrumple::files::{atomic_write, prepare};
use uncrumple::prelude::*;
use uncrumple::profile;
use uncrumple::programs::{self, Program};

/// Time whole training steps of the named programs
#[derive(Args)]
#[command(
    after_help = "Each program prints one line of JSON. A step is forward, backward and optimizer on one of eight \
    ready batches of random data. After a warm-up (three steps and 0.7 s at least) steps are timed in chunks of 0.25 s \
    at least, each of which ends when the device has done its work. ms_per_step is the median over the chunks, \
    first_step_s the time from the beginning of the process to the end of its first step, peak_rss_mb the most memory \
    that the process had, in MiB."
)]
pub struct Arguments {
    /// The program; all of them but gpt2-124m, each in a process of its own, unless given
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(names()))]
    program: Option<String>,

    /// How long to time, after the warm-up
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,

    /// Samples of a batch; the program's own for the CPU or a GPU unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,

    /// What layers compute in; the program's own unless given: float32, of gpt2-124m mixed_bfloat16
    #[arg(long, value_name = "POLICY", value_enum)]
    precision: Option<Policy>,

    /// Time some steps more, print what they are made of, and leave a trace for chrome://tracing
    #[arg(long, value_name = "TRACE.json", requires = "program")]
    profile: Option<PathBuf>,

    #[command(flatten)]
    compute: Compute,
}

const BATCHES: usize = 8;
const WARM_UP: (usize, f64) = (3, 0.7);
const CHUNK: f64 = 0.25;
const LEAST_CHUNKS: usize = 3;
const PROFILED: usize = 20;

fn names() -> Vec<&'static str> {
    programs::ALL.iter().chain(programs::LARGE).map(|p| p.name).collect()
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err("write a number of seconds above 0".to_string()),
    }
}

/// `start` is when the process began.
pub fn run(arguments: &Arguments, start: Instant) -> Result<()> {
    match &arguments.program {
        Some(name) => time(arguments, programs::find(name)?, start),
        None => programs::ALL.iter().try_for_each(|program| child(program.name)),
    }
}

/// Runs a program in a process of its own, so that its first step and its memory are its own, with the same options.
fn child(name: &str) -> Result<()> {
    let failed = |source| Error::Io { path: "uncrumple bench".into(), source };
    let path = std::env::current_exe().map_err(failed)?;
    let options = std::env::args_os().skip(1);
    let status = Command::new(path).args(options).args(["--program", name]).status().map_err(failed)?;
    if status.success() { Ok(()) } else { Err(Error::Config(format!("the bench of {name} failed ({status})"))) }
}

fn time(arguments: &Arguments, program: &'static Program, start: Instant) -> Result<()> {
    if let Some(path) = &arguments.profile {
        prepare(path)?;
    }
    let device = arguments.compute.start()?;
    let batch_size = match arguments.batch_size {
        Some(n) => n as usize,
        None if device.is_cpu() => program.batch.0,
        None => program.batch.1,
    };
    let precision = arguments.precision.map_or(program.precision, Precision::from);
    let model = program.model()?.seed(arguments.compute.seed())?.precision(precision).on(device.clone());
    let mut trainer = program.compile(model, ())?;
    let batch =
        |i| program.data(batch_size, arguments.compute.seed().wrapping_add(i)).and_then(|b| b.to_device(&device));
    // The first step needs one batch; making the others is no part of it.
    let mut batches = vec![batch(0)?];
    threads::enter(|| {
        trainer.train_on_batch(&batches[0])?;
        device.synchronize()?;
        let first_step = start.elapsed().as_secs_f64().max(age().unwrap_or(0.0));
        for i in 1..BATCHES {
            batches.push(batch(i as u64)?);
        }
        let mut next = 1;
        let mut steps = |n: usize| -> Result<()> {
            for _ in 0..n {
                trainer.train_on_batch(&batches[next % BATCHES])?;
                next += 1;
            }
            device.synchronize()
        };
        let warm = Instant::now();
        let mut warmed = 0;
        while warmed < WARM_UP.0 || warm.elapsed().as_secs_f64() < WARM_UP.1 {
            // Few at first, for programs whose step takes long; then more, so that waiting for the device counts little.
            let more = (warmed / 4).clamp(1, 64);
            steps(more)?;
            warmed += more;
        }
        let chunks = chunks(arguments.seconds, warmed as f64 / warm.elapsed().as_secs_f64(), &mut steps)?;
        let loss = trainer.logs()?.get("loss").unwrap_or(f64::NAN);
        if !loss.is_finite() {
            return Err(Error::Data(format!("the loss of {} became {loss}: its times mean nothing", program.name)));
        }
        let step = median(chunks.iter().map(|(n, seconds)| seconds / *n as f64).collect());
        say(json!({
            "peer": "uncrumple",
            "program": program.name,
            "device": device.to_string(),
            "precision": precision.name(),
            "batch_size": batch_size,
            "ms_per_step": rounded(step * 1e3),
            "samples_per_s": rounded(batch_size as f64 / step),
            "steps": chunks.iter().map(|(n, _)| n).sum::<usize>(),
            "peak_rss_mb": peak_memory().map(rounded),
            "first_step_s": rounded(first_step),
        }))?;
        match &arguments.profile {
            Some(path) => profile(&mut trainer, &batches, path),
            None => Ok(()),
        }
    })
}

/// Records steps that are not replayed from a graph, and tells what they were made of.
fn profile(trainer: &mut Trainer, batches: &[Dataset], path: &Path) -> Result<()> {
    trainer.set_capture(false);
    profile::begin(trainer.device())?;
    for step in 0..PROFILED {
        trainer.train_on_batch(&batches[step % batches.len()])?;
    }
    let profile = profile::end()?;
    atomic_write(path, |out| out.write_all(profile.trace().to_string().as_bytes()))?;
    say(format!("\n{}\n{}", profile.table().peak(uncrumple::train::peak(trainer.device())?), path.display()))
}

/// Steps and seconds of each chunk, for about `seconds` in all.
fn chunks(seconds: f64, rate: f64, steps: &mut impl FnMut(usize) -> Result<()>) -> Result<Vec<(usize, f64)>> {
    let mut chunks = Vec::new();
    let begin = Instant::now();
    let mut each = ((rate * CHUNK * 1.05).ceil() as usize).max(1);
    while chunks.len() < LEAST_CHUNKS || begin.elapsed().as_secs_f64() < seconds {
        let chunk = Instant::now();
        let mut done = 0;
        let mut more = each;
        while more > 0 {
            steps(more)?;
            done += more;
            let elapsed = chunk.elapsed().as_secs_f64();
            // Too short a chunk is made longer, and the next one from the start.
            more = if elapsed < CHUNK { ((CHUNK / elapsed - 1.0) * done as f64).ceil().max(1.0) as usize } else { 0 };
        }
        each = done;
        chunks.push((done, chunk.elapsed().as_secs_f64()));
    }
    Ok(chunks)
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (values[(n - 1) / 2] + values[n / 2]) / 2.0
}

/// Four figures after the first, which is more than a time repeats.
fn rounded(x: f64) -> f64 {
    let scale = 10f64.powi(4 - x.abs().log10().floor().clamp(-8.0, 4.0) as i32);
    (x * scale).round() / scale
}

/// Seconds since the system started this process, where it tells: what comes before `main` counts too.
fn age() -> Option<f64> {
    // Linux counts this clock in hundredths of a second for everyone.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let started: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let now: f64 = std::fs::read_to_string("/proc/uptime").ok()?.split_whitespace().next()?.parse().ok()?;
    Some(now - started / TICKS)
}

/// The most memory that the process had, in MiB, where the system tells.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), 3.0);
        assert_eq!(median(vec![7.0]), 7.0);
    }

    #[test]
    fn figures_keep_five_digits() {
        assert_eq!([0.046_123_456, 1.234_567, 98_765.432, 0.0].map(rounded), [0.046_123, 1.2346, 98_765.0, 0.0]);
    }

    #[test]
    fn chunks_are_long_enough() {
        let mut done = 0;
        let mut steps = |n: usize| {
            done += n;
            std::thread::sleep(std::time::Duration::from_millis(10) * n as u32);
            Ok(())
        };
        // The rate is wrong on purpose: 50 a second instead of 100.
        let chunks = chunks(0.6, 50.0, &mut steps).unwrap();
        assert!(chunks.len() >= LEAST_CHUNKS && chunks.iter().all(|(_, seconds)| *seconds >= CHUNK), "{chunks:?}");
        assert_eq!(chunks.iter().map(|(n, _)| n).sum::<usize>(), done);
    }
}
