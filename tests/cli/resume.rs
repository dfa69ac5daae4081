//! Runs that end before their time: killed at any moment, or by Ctrl-C, they go on to the same bits.

use super::text;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use uncrumple::files::{npy, safetensors};
use uncrumple::prelude::*;

const KILLS: u64 = 20;

/// A model with dropout and a falling learning rate, and data for it.
fn prepare(folder: &Path) -> Result<()> {
    let n = 600;
    let numbers = |width: usize, step: f32| (0..n * width).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
    let labels: Vec<i32> = (0..n).map(|i| (i / 3 % 4) as i32).collect();
    npy::write(folder.join("x.npy"), &Tensor::from_slice(&numbers(20, 0.37), [n, 20])?.to_array()?)?;
    npy::write(folder.join("y.npy"), &Tensor::from_slice(&labels, [n])?.to_array()?)?;
    let model = Sequential::new([20])
        .add(Dense::new(64).relu())
        .add(Dropout::new(0.4))
        .add(Dense::new(4).softmax())
        .build()?
        .seed(5)?;
    let adam = Adam::new(CosineDecay::new(0.01, 400)).use_ema(true).gradient_accumulation_steps(3);
    model.compile(adam, SparseCategoricalCrossentropy::new(), [Accuracy::new()])?.save(folder.join("begin.keras"))
}

/// A run that puts itself down after each step.
fn command(arguments: &[&str]) -> Command {
    let mut command = super::command(&[arguments, &["--backup-every", "0", "--device", "cpu"]].concat());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn start(folder: &Path, name: &str, resume: bool) -> Child {
    let at = |name: &str| text(&folder.join(name)).to_owned();
    let mut command = command(&["fit", &at("begin.keras"), "--x", &at("x.npy"), "--y", &at("y.npy"), "--epochs", "12"]);
    command.args(["--batch-size", "16", "--validation-split", "0.1"]);
    command.args(["--save", &at(&format!("{name}.keras")), "--history", &at(&format!("{name}.csv"))]);
    command.args(resume.then_some("--resume")).spawn().unwrap()
}

/// What a run leaves: the weights as a model, and its table.
fn left(model: &Path, table: &Path) -> Result<(Vec<Vec<f32>>, u64, String)> {
    let trainer = Trainer::load(model)?;
    let weights = trainer.weights()?.iter().map(Tensor::to_vec).collect::<Result<_>>()?;
    Ok((weights, trainer.iterations(), std::fs::read_to_string(table).unwrap()))
}

fn left_by_fit(folder: &Path, name: &str) -> Result<(Vec<Vec<f32>>, u64, String)> {
    left(&folder.join(format!("{name}.keras")), &folder.join(format!("{name}.csv")))
}

fn backup(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.backup.safetensors"))
}

/// The steps that a run has put down.
fn steps(backup: &Path) -> u64 {
    let run = || -> Option<u64> {
        let text = safetensors::read(backup).ok()?.metadata.remove("run")?;
        serde_json::from_str::<serde_json::Value>(&text).ok()?["iteration"].as_u64()
    };
    run().unwrap_or(0)
}

/// Kills a run of `whole` steps this many times, at a random moment of each stretch of it, before the first step too; then
/// lets it end.
fn kill(start: impl Fn() -> Child, backup: &Path, whole: u64, kills: u64) {
    let random = RandomState::new();
    let mut moments = Vec::new();
    for kill in 0..kills {
        let share = (random.hash_one(kill) >> 11) as f64 / (1u64 << 53) as f64;
        let moment = ((kill as f64 - 1.0 + share) / (kills as f64 - 1.0) * whole as f64).max(0.0) as u64;
        let begin = Instant::now();
        let mut child = start();
        while steps(backup) < moment && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
            assert!(begin.elapsed() < Duration::from_secs(120), "stands still at step {}", steps(backup));
        }
        std::thread::sleep(Duration::from_secs_f64(0.01 * share));
        child.kill().unwrap();
        child.wait().unwrap();
        moments.push((moment, steps(backup)));
    }
    // But for the last, which may come when all is done, a kill leaves something to do.
    assert!(moments[..moments.len() - 1].iter().all(|(_, came)| *came < whole), "{moments:?}");
    let rest = start().wait_with_output().unwrap();
    assert!(rest.status.success(), "{moments:?}: {}", String::from_utf8_lossy(&rest.stderr));
    assert!(!backup.exists());
}

#[test]
fn a_run_killed_at_twenty_random_moments_ends_with_the_same_bits() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder)?;
    assert!(start(folder, "whole", false).wait().unwrap().success());
    let whole = left_by_fit(folder, "whole")?;
    kill(|| start(folder, "killed", true), &backup(folder, "killed"), whole.1, KILLS);
    assert!(left_by_fit(folder, "killed")? == whole);
    Ok(())
}

/// What stops the run early counts epochs and keeps the best weights.
#[test]
fn a_killed_run_is_stopped_early_as_a_whole_one() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut rows = String::from("a,b,y\n");
    for i in 0..120 {
        let noise = |step: f64| (i as f64 * i as f64 * step).sin();
        rows += &format!("{},{},{}\n", noise(0.37), noise(0.71), noise(1.93));
    }
    std::fs::write(folder.join("t.csv"), rows).unwrap();
    let start = |name: &str, resume: bool| {
        let (table, out) = (text(&folder.join("t.csv")).to_owned(), text(&folder.join(name)).to_owned());
        let how =
            ["--target", "y", "--epochs", "60", "--learning-rate", "0.01", "--dropout", "0.2", "--batch-size", "16"];
        let mut command = command(&[&["train", "csv", &table, "--out", &out][..], &how].concat());
        command.args(resume.then_some("--resume")).spawn().unwrap()
    };
    let left = |name: &str| left(&folder.join(name).join("model.keras"), &folder.join(name).join("history.csv"));
    assert!(start("whole", false).wait().unwrap().success());
    let whole = left("whole")?;
    let epochs = whole.2.lines().count() - 1;
    assert!((12..60).contains(&epochs), "{epochs} epochs: the run is to be stopped early");
    kill(|| start("killed", true), &folder.join("killed/model.backup.safetensors"), whole.1, 8);
    assert!(left("killed")? == whole);
    Ok(())
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_what_was_learnt() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder)?;
    assert!(start(folder, "whole", false).wait().unwrap().success());
    let mut child = start(folder, "ended", false);
    while !backup(folder, "ended").exists() {
        std::thread::sleep(Duration::from_millis(1));
        assert!(child.try_wait().unwrap().is_none(), "the run ended before its first step");
    }
    let pressed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(pressed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (steps, whole) = (Trainer::load(folder.join("ended.keras"))?.iterations(), left_by_fit(folder, "whole")?);
    assert!((1..whole.1).contains(&steps), "{steps}");

    assert!(start(folder, "ended", true).wait().unwrap().success());
    assert!(left_by_fit(folder, "ended")? == whole);
    Ok(())
}
