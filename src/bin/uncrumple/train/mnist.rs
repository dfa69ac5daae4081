//! `uncrumple train mnist`: handwritten digits.

use super::print_left;
use crate::options::{Compute, Policy, describe};
use crate::running::Running;
use crate::{plot, say};
use clap::Args;
use std::path::PathBuf;
use uncrumple::callbacks::{CSVLogger, LearningRateScheduler, Profiler, ProgressBar};
use uncrumple::prelude::*;
use uncrumple::programs;

/// Learn to read handwritten digits
#[derive(Args)]
#[command(
    after_help = "Trains the program dense-categorical (784 → 512 → 512 → 10) on MNIST: 60,000 pictures to learn \
    from, of which the last tenth is held back for validation, and 10,000 to be tested on in the end. The learning \
    rate falls from epoch to epoch in equal steps from 0.001 on. The goal is to read 97.8 % of the test pictures right."
)]
pub struct Arguments {
    /// How often to go through the pictures
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,

    /// Pictures of a step
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,

    /// Take only the first N pictures of each set
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..))]
    limit: Option<u32>,

    /// The folder for the model, the history and the pictures
    #[arg(long, value_name = "FOLDER", default_value = "runs/mnist")]
    out: PathBuf,

    /// Time some steps, print what they are made of, and leave a trace for chrome://tracing
    #[arg(long, value_name = "TRACE.json")]
    profile: Option<PathBuf>,

    /// What layers compute in
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Policy::Float32)]
    precision: Policy,

    #[command(flatten)]
    running: Running,

    #[command(flatten)]
    compute: Compute,
}

const GOAL: f64 = 0.978;
const LEARNING_RATE: f64 = 1e-3;
const VALIDATION: f64 = 0.1;
const CLASSES: usize = 10;

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start()?;
    let (out, epochs, batch_size) = (&arguments.out, arguments.epochs as usize, arguments.batch_size as usize);
    // Before an hour of training rather than after it.
    std::fs::create_dir_all(out).map_err(|source| Error::Io { path: out.clone(), source })?;
    let (train, test) = datasets::mnist()?;
    let (train, test) = (vectors(&train, arguments.limit)?, vectors(&test, arguments.limit)?);

    let model = programs::find("dense-categorical")?.model()?;
    let model = model.seed(arguments.compute.seed())?.precision(arguments.precision.into()).on(device.clone());
    say(format!(
        "dense-categorical (784 → 512 → 512 → 10) on {}\n{} pictures, a tenth of them for validation, and {} to be tested on\n",
        describe(&device),
        train.len(),
        test.len()
    ))?;
    let mut trainer = programs::find("dense-categorical")?.compile(model, [Accuracy::new()])?;
    let fall = move |epoch: usize, _| LEARNING_RATE * (1.0 - epoch as f64 / epochs as f64);
    let mut fit = Fit::epochs(epochs)
        .batch_size(batch_size)
        .validation_split(VALIDATION)
        .callback(LearningRateScheduler::new(fall))
        .callback(CSVLogger::new(out.join("history.csv")))
        .callback(ProgressBar::new());
    if let Some(path) = &arguments.profile {
        fit = fit.callback(Profiler::new(path));
    }
    let trained = arguments.running.train(&mut trainer, &train, fit, &out.join("model.keras"))?;
    let Some(history) = trained else { return Ok(()) };

    let accuracy = trainer.evaluate_with(&test, 1000)?.get("accuracy").unwrap_or(f64::NAN);
    let confusion = confusion(trainer.model(), &test)?;
    plot::learning_curves(&history, "accuracy", &out.join("learning-curves.png"))?;
    plot::confusion_matrix(&confusion, accuracy, &out.join("confusion-matrix.png"))?;
    say(format!("\n{}\n", verdict(accuracy, test.len())))?;
    print_left(out, &LEFT)
}

/// What a run leaves in its folder.
const LEFT: [(&str, &str); 4] = [
    ("model.keras", "the trained model, which Keras 3 opens too"),
    ("history.csv", "loss and accuracy of each epoch"),
    ("learning-curves.png", "the same as curves"),
    ("confusion-matrix.png", "which digits were taken for which"),
];

fn verdict(accuracy: f64, pictures: usize) -> String {
    let met = if accuracy >= GOAL { "is met" } else { "is not met" };
    format!(
        "{:.2} % of {pictures} test pictures are read right: the goal of {:.1} % {met}.",
        accuracy * 100.0,
        GOAL * 100.0
    )
}

/// The first pictures as vectors of 784 numbers, with their labels.
fn vectors(data: &Dataset, limit: Option<u32>) -> Result<Dataset> {
    let data = data.take(limit.map_or(data.len(), |n| n as usize))?;
    let pictures = data.inputs()[0].reshape([data.len(), 28 * 28])?;
    data.with_inputs(pictures)
}

/// How many pictures of each digit (rows) were taken for each digit (columns).
fn confusion(model: &Model, test: &Dataset) -> Result<Vec<Vec<usize>>> {
    let outputs = model.predict_all(test.inputs().to_vec(), 1000)?;
    let predicted = outputs[0].argmax(-1)?.cast(DType::I32)?.to_vec::<i32>()?;
    let labels = test.targets()[0].to_vec::<i32>()?;
    let mut counts = vec![vec![0; CLASSES]; CLASSES];
    for (&label, &guess) in labels.iter().zip(&predicted) {
        if let Some(count) = counts.get_mut(label as usize).and_then(|row| row.get_mut(guess as usize)) {
            *count += 1;
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goal_is_met_or_not() {
        assert_eq!(
            verdict(0.9801, 10_000),
            "98.01 % of 10000 test pictures are read right: the goal of 97.8 % is met."
        );
        assert!(verdict(0.978, 1).contains("is met"));
        assert!(verdict(0.9779, 1).contains("is not met"));
        assert!(verdict(f64::NAN, 1).contains("is not met"));
    }
}
