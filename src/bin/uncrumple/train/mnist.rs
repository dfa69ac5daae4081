//! `uncrumple train mnist`: handwritten digits.

use super::print_left;
use crate::options::{Compute, Policy, describe};
use crate::running::Running;
use crate::{plot, say};
use clap::Args;
use std::path::PathBuf;
use uncrumple::callbacks::{CSVLogger, LearningRateScheduler, Profiler, ProgressBar};
use uncrumple::prelude::*;
use uncrumple::{Shape, programs};

/// Learn to read handwritten digits
#[derive(Args)]
#[command(
    after_help = "Trains a program on MNIST: 60,000 pictures to learn from, of which the last tenth is held back for \
    validation, and 10,000 to be tested on in the end. The learning rate falls from epoch to epoch in equal steps from \
    0.001 on. The goal is to read 97.8 % of the test pictures right with dense-categorical (784 → 512 → 512 → 10), and \
    99.1 % with convnet (three convolutions), which takes longer."
)]
pub struct Arguments {
    /// The program that learns
    #[arg(long, value_name = "NAME", default_value = TASKS[0].program, value_parser = task_names())]
    program: String,

    /// How often to go through the pictures
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: u32,

    /// Pictures of a step; 128 for dense-categorical and 64 for convnet unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,

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

/// What a program does with the pictures.
struct Task {
    program: &'static str,
    /// The extents of a picture as it takes it.
    picture: &'static [usize],
    /// Pictures of a step.
    batch_size: usize,
    /// The share of test pictures that it should read right.
    goal: f64,
}

const TASKS: [Task; 2] = [
    Task { program: "dense-categorical", picture: &[28 * 28], batch_size: 128, goal: 0.978 },
    Task { program: "convnet", picture: &[28, 28, 1], batch_size: 64, goal: 0.991 },
];

fn task_names() -> clap::builder::PossibleValuesParser {
    TASKS.map(|task| task.program).into()
}

const LEARNING_RATE: f64 = 1e-3;
const VALIDATION: f64 = 0.1;
const CLASSES: usize = 10;

pub fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.compute.start()?;
    let task = TASKS.iter().find(|task| task.program == arguments.program).unwrap_or(&TASKS[0]);
    let (out, epochs) = (&arguments.out, arguments.epochs as usize);
    let batch_size = arguments.batch_size.map_or(task.batch_size, |n| n as usize);
    // Before an hour of training rather than after it.
    std::fs::create_dir_all(out).map_err(|source| Error::Io { path: out.clone(), source })?;
    let (train, test) = datasets::mnist()?;
    let (train, test) = (pictures(&train, task, arguments.limit)?, pictures(&test, task, arguments.limit)?);

    let program = programs::find(task.program)?;
    let model = program.model()?.seed(arguments.compute.seed())?;
    let model = model.precision(arguments.precision.into()).on(device.clone());
    say(format!(
        "{} on {}\n{}\n{} pictures, a tenth of them for validation, and {} to be tested on\n",
        program.name,
        describe(&device),
        program.about,
        train.len(),
        test.len()
    ))?;
    let mut trainer = program.compile(model, [Accuracy::new()])?;
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
    say(format!("\n{}\n", verdict(accuracy, task.goal, test.len())))?;
    print_left(out, &LEFT)
}

/// What a run leaves in its folder.
const LEFT: [(&str, &str); 4] = [
    ("model.keras", "the trained model, which Keras 3 opens too"),
    ("history.csv", "loss and accuracy of each epoch"),
    ("learning-curves.png", "the same as curves"),
    ("confusion-matrix.png", "which digits were taken for which"),
];

fn verdict(accuracy: f64, goal: f64, pictures: usize) -> String {
    let met = if accuracy >= goal { "is met" } else { "is not met" };
    format!(
        "{:.2} % of {pictures} test pictures are read right: the goal of {:.1} % {met}.",
        accuracy * 100.0,
        goal * 100.0
    )
}

/// The first pictures in the extents that the task has, with their labels.
fn pictures(data: &Dataset, task: &Task, limit: Option<u32>) -> Result<Dataset> {
    let data = data.take(limit.map_or(data.len(), |n| n as usize))?;
    let shape = Shape::new(&[&[data.len()], task.picture].concat())?;
    let pictures = data.inputs()[0].reshape(shape)?;
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
            verdict(0.9801, 0.978, 10_000),
            "98.01 % of 10000 test pictures are read right: the goal of 97.8 % is met."
        );
        assert!(verdict(0.991, 0.991, 1).contains("is met"));
        assert!(verdict(0.9909, 0.991, 1).contains("is not met"));
        assert!(verdict(f64::NAN, 0.978, 1).contains("is not met"));
    }
}
