//! `uncrumple train mnist`: handwritten digits.

use super::pictures::{Divided, Task, find, names};
use clap::Args;
use uncrumple::prelude::*;
use uncrumple::programs;
use uncrumple::programs::pictures::Pictures;

/// Learn to read handwritten digits
#[derive(Args)]
#[command(
    after_help = "Trains a program on MNIST: 60,000 pictures to learn from, of which the last tenth is held back for \
    validation, and 10,000 to be tested on in the end, in 5 epochs. dense-categorical (784 → 512 → 512 → 10) sees batches \
    of 128, and its learning rate falls from epoch to epoch in equal steps from 0.001 on; the goal is to recognise 97.8 % \
    of the test pictures. convnet (three convolutions) sees batches of 32, and its learning rate falls with the square of \
    the epochs left from 0.004 on; the goal is 99.1 %, and it takes minutes."
)]
pub struct Arguments {
    /// The program that learns
    #[arg(long, value_name = "NAME", default_value = TASKS[0].program, value_parser = names(&TASKS))]
    program: String,

    #[command(flatten)]
    set: Divided,
}

const DENSE: Task =
    Task { program: "dense-categorical", epochs: 5, batch_size: 128, rate: 1e-3, power: 1.0, goal: Some(0.978) };
const CONVNET: Task = Task { program: "convnet", epochs: 5, batch_size: 32, rate: 4e-3, power: 2.0, goal: Some(0.991) };
const TASKS: [Task; 2] = [DENSE, CONVNET];

pub fn run(arguments: &Arguments) -> Result<()> {
    let task = find(&TASKS, &arguments.program);
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    let pictures = Pictures { image: [28, 28, 1], scale: 1.0 / 255.0, classes };
    arguments.set.learn("mnist", task, pictures, datasets::mnist, || programs::find(task.program)?.model())
}
