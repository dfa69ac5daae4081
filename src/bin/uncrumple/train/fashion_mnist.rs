//! `uncrumple train fashion-mnist`: clothes.

use super::pictures::{Divided, Task, find, names};
use clap::Args;
use uncrumple::data::datasets::FASHION_MNIST_CLASSES;
use uncrumple::prelude::*;
use uncrumple::programs;
use uncrumple::programs::pictures::Pictures;

/// Learn to tell clothes apart
#[derive(Args)]
#[command(
    after_help = "Trains a program on Fashion-MNIST, which `scripts/fetch-data fashion-mnist` fetches: 60,000 grey pictures \
    of clothes to learn from, of which the last tenth is held back for validation, and 10,000 to be tested on in the end, \
    in 5 epochs. convnet (three convolutions) sees batches of 32, and its learning rate falls with the square of the epochs \
    left from 0.004 on; the goal is to recognise 90.5 % of the test pictures, and it takes minutes. dense-categorical \
    (784 → 512 → 512 → 10) sees batches of 128, and its learning rate falls in equal steps from 0.001 on; the goal is \
    88.0 %."
)]
pub struct Arguments {
    /// The program that learns
    #[arg(long, value_name = "NAME", default_value = TASKS[0].program, value_parser = names(&TASKS))]
    program: String,

    #[command(flatten)]
    set: Divided,
}

const CONVNET: Task = Task { program: "convnet", epochs: 5, batch_size: 32, rate: 4e-3, power: 2.0, goal: Some(0.905) };
const DENSE: Task =
    Task { program: "dense-categorical", epochs: 5, batch_size: 128, rate: 1e-3, power: 1.0, goal: Some(0.88) };
const TASKS: [Task; 2] = [CONVNET, DENSE];

pub fn run(arguments: &Arguments) -> Result<()> {
    let task = find(&TASKS, &arguments.program);
    let classes = FASHION_MNIST_CLASSES.map(String::from).into();
    let pictures = Pictures { image: [28, 28, 1], scale: 1.0 / 255.0, classes };
    arguments
        .set
        .learn("fashion-mnist", task, pictures, datasets::fashion_mnist, || programs::find(task.program)?.model())
}
