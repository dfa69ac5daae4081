//! Runs that end before their time: killed at any moment, or by Ctrl-C, they go on to the same bits.

use super::text;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use uncrumple::files::npy;
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

fn start(folder: &Path, name: &str, resume: bool) -> Child {
    let path = std::env::var("CARGO_BIN_EXE_uncrumple").unwrap_or_else(|_| env!("CARGO_BIN_EXE_uncrumple").into());
    let at = |name: &str| text(&folder.join(name)).to_owned();
    let mut command = Command::new(path);
    command.args(["fit", &at("begin.keras"), "--x", &at("x.npy"), "--y", &at("y.npy"), "--epochs", "12"]);
    command.args(["--batch-size", "16", "--validation-split", "0.1", "--backup-every", "0", "--device", "cpu"]);
    command.args(["--save", &at(&format!("{name}.keras")), "--history", &at(&format!("{name}.csv"))]);
    command.args(resume.then_some("--resume"));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a run leaves: the weights as a model, and its table.
fn left(folder: &Path, name: &str) -> Result<(Vec<Vec<f32>>, u64, String)> {
    let trainer = Trainer::load(folder.join(format!("{name}.keras")))?;
    let weights = trainer.weights()?.iter().map(Tensor::to_vec).collect::<Result<_>>()?;
    Ok((weights, trainer.iterations(), std::fs::read_to_string(folder.join(format!("{name}.csv"))).unwrap()))
}

fn backup(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.backup.safetensors"))
}

#[test]
fn a_run_killed_at_twenty_random_moments_ends_with_the_same_bits() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder)?;
    let begin = Instant::now();
    assert!(start(folder, "whole", false).wait().unwrap().success());
    let whole = begin.elapsed();

    let random = RandomState::new();
    let mut moments = Vec::new();
    for kill in 0..KILLS {
        // From before the first step to well into the run; what a killed run has done, the next one goes on from.
        let share = (random.hash_one(kill) >> 11) as f64 / (1u64 << 53) as f64;
        let moment = Duration::from_secs_f64(share * 0.15 * whole.as_secs_f64());
        let mut child = start(folder, "killed", true);
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        moments.push(moment);
    }
    let came = backup(folder, "killed").exists();
    let rest = start(folder, "killed", true).wait_with_output().unwrap();
    assert!(rest.status.success(), "{moments:?}: {}", String::from_utf8_lossy(&rest.stderr));
    assert!(came || left(folder, "killed").is_ok(), "no killed run came to its first backup: {moments:?}");
    assert!(left(folder, "killed")? == left(folder, "whole")?, "killed after {moments:?}");
    assert!(!backup(folder, "killed").exists());
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
    let (steps, whole) = (Trainer::load(folder.join("ended.keras"))?.iterations(), left(folder, "whole")?);
    assert!((1..whole.1).contains(&steps), "{steps}");

    assert!(start(folder, "ended", true).wait().unwrap().success());
    assert!(left(folder, "ended")? == whole);
    Ok(())
}
