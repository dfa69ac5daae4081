//! `uncrumple train cifar10`: animals and vehicles.

use super::pictures::{Divided, Task, network};
use clap::Args;
use uncrumple::data::datasets::CIFAR10_CLASSES;
use uncrumple::prelude::*;
use uncrumple::programs::pictures::Pictures;

/// Learn to tell animals and vehicles apart
#[derive(Args)]
#[command(
    after_help = "Trains the program resnet (a convolution and six residual blocks) on CIFAR-10, which `scripts/fetch-data \
    cifar10` fetches: 50,000 coloured pictures of 32 × 32 pixels to learn from, of which the last tenth is held back for \
    validation, and 10,000 to be tested on in the end. In training they are mirrored and moved at random, by layers that \
    are a part of the model. Batches of 32; the learning rate falls from epoch to epoch in equal steps from 0.001 on. The 2 \
    epochs are a short run, for a CPU, after which about 69 % of the test pictures are recognised. On a GPU take more, such as --epochs 30 --batch-size 128."
)]
pub struct Arguments {
    #[command(flatten)]
    set: Divided,
}

const TASK: Task = Task { program: "resnet", epochs: 2, batch_size: 32, rate: 1e-3, power: 1.0, goal: None };
const IMAGE: [usize; 3] = [32, 32, 3];

pub fn run(arguments: &Arguments) -> Result<()> {
    let pictures = Pictures { image: IMAGE, scale: 1.0, classes: CIFAR10_CLASSES.map(String::from).into() };
    let model = || network(TASK.program, IMAGE, CIFAR10_CLASSES.len(), true);
    arguments.set.learn("cifar10", &TASK, pictures, datasets::cifar10, model)
}
