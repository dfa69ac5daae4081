//! `--tune`: a search for the sizes of a network, by the validation part alone.

use super::learning::Plan;
use super::parts::Parts;
use crate::say;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use uncrumple::device::cpu::philox::Philox;
use uncrumple::files::atomic_write;
use uncrumple::prelude::*;
use uncrumple::programs::tabular::Sizes;

const WIDTHS: [usize; 6] = [16, 32, 64, 128, 256, 512];
const DEPTHS: [usize; 4] = [0, 1, 2, 3];
const DROPOUTS: [f64; 5] = [0.0, 0.1, 0.2, 0.35, 0.5];
/// Learning rates are drawn evenly on a logarithmic scale between these.
const RATES: [f64; 2] = [1e-4, 1e-2];
/// Where finished trials are kept, so that a search that was ended goes on.
const TRIALS: &str = "trials.json";
/// The stream of the search's random numbers.
const STREAM: u32 = u32::MAX - 2;

/// Trains `trials` networks of random sizes for a few epochs, and the better half of them for twice as many, until one is
/// left ([successive halving](https://arxiv.org/abs/1502.07943)). Finished trials in `out` of the same search are not run
/// again.
pub fn search(parts: &Parts, plan: &Plan, trials: usize, out: &Path) -> Result<Sizes> {
    let path = out.join(TRIALS);
    // What a trial's result depends on beside its own sizes.
    let Sizes { width, depth, dropout, learning_rate } = plan.sizes;
    let key = json!({
        "seed": plan.seed,
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "balanced": plan.balanced,
        "precision": plan.precision.name(),
        "first": [width, depth, dropout, learning_rate],
        "columns": parts.tabular.to_json(),
        "data": [parts.train.checksum()?, parts.validation.checksum()?],
    });
    let mut done = known(&path, &key);
    let head = ["trial", "width", "depth", "dropout", "learning_rate", "epochs", "val_loss"];
    let line = |c: [&str; 7]| {
        say(format!("{:>5} {:>6} {:>6} {:>8} {:>14} {:>7} {:>12}", c[0], c[1], c[2], c[3], c[4], c[5], c[6]))
    };
    line(head)?;
    let mut left: Vec<usize> = (0..trials).collect();
    let rounds = trials.next_power_of_two().trailing_zeros();
    for round in 0..=rounds {
        // The last round has all epochs, each before it half as many.
        let epochs = (plan.epochs >> (rounds - round)).max(1);
        let mut losses = Vec::new();
        for &trial in &left {
            let sizes = drawn(plan, trial);
            let name = format!("{trial}/{epochs}");
            let loss = match done.get(&name) {
                Some(&loss) => loss,
                None => tried(parts, &Plan { sizes, ..plan.clone() }, epochs)?,
            };
            if done.insert(name, loss).is_none() {
                write(&path, &key, &done)?;
            }
            let Sizes { width, depth, dropout, learning_rate } = sizes;
            let [trial_, width, depth, epochs] = [trial, width, depth, epochs].map(|n| n.to_string());
            line([
                &trial_,
                &width,
                &depth,
                &dropout.to_string(),
                &learning_rate.to_string(),
                &epochs,
                &format!("{loss:.5}"),
            ])?;
            losses.push((trial, loss));
        }
        // Of equals the earlier one stays.
        losses.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        losses.truncate(left.len().div_ceil(2));
        left = losses.into_iter().map(|(trial, _)| trial).collect();
    }
    let best = drawn(plan, left.first().copied().unwrap_or_default());
    let Sizes { width, depth, dropout, learning_rate } = best;
    say(format!("\nbest: --width {width} --depth {depth} --dropout {dropout} --learning-rate {learning_rate}\n"))?;
    Ok(best)
}

/// The sizes of a trial; those of the first are the plan's own.
fn drawn(plan: &Plan, trial: usize) -> Sizes {
    if trial == 0 {
        return plan.sizes;
    }
    let [a, b, c, d] = Philox::new(plan.seed as i64, 0, STREAM).uniform(trial as u64);
    let of = |x: f32, n: usize| ((f64::from(x) * n as f64) as usize).min(n - 1);
    let rate = RATES[0] * (RATES[1] / RATES[0]).powf(d.into());
    Sizes {
        width: WIDTHS[of(a, WIDTHS.len())],
        depth: DEPTHS[of(b, DEPTHS.len())],
        dropout: DROPOUTS[of(c, DROPOUTS.len())],
        // As many digits as are printed, so that the command line can repeat it.
        learning_rate: format!("{rate:.2e}").parse().unwrap_or(rate),
    }
}

/// The best validation loss of a training; infinity where it diverged.
fn tried(parts: &Parts, plan: &Plan, epochs: usize) -> Result<f64> {
    let mut trainer = plan.trainer(parts)?;
    match trainer.fit(&parts.train, plan.fit(parts, epochs)?) {
        Ok(history) => Ok(history.values("val_loss").into_iter().fold(f64::INFINITY, f64::min)),
        Err(Error::Diverged { .. }) => Ok(f64::INFINITY),
        Err(other) => Err(other),
    }
}

/// The results of finished trials in a file; none if it is not of this search.
fn known(path: &Path, key: &Value) -> BTreeMap<String, f64> {
    let read = || -> Option<BTreeMap<String, f64>> {
        let value: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let trials = value.get("trials")?.as_object().filter(|_| value.get("search") == Some(key))?;
        // JSON has no infinity: it writes null.
        Some(trials.iter().map(|(name, loss)| (name.clone(), loss.as_f64().unwrap_or(f64::INFINITY))).collect())
    };
    read().unwrap_or_default()
}

fn write(path: &Path, key: &Value, done: &BTreeMap<String, f64>) -> Result<()> {
    let text = json!({ "search": key, "trials": done }).to_string();
    atomic_write(path, |out| out.write_all(text.as_bytes()))
}
