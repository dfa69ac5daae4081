//! `uncrumple train diffusion`: clothes or things out of noise.

use super::denoising::{Defaults, Options, Part, Set};
use clap::{Args, ValueEnum};
use uncrumple::prelude::*;
use uncrumple::programs::diffusion::{Denoiser, UNet};

/// Learn to make pictures of clothes or things out of noise
#[derive(Args)]
#[command(
    after_help = "Trains a network of the kind of the program diffusion on Fashion-MNIST or CIFAR-10 (`scripts/fetch-data` fetches \
    either): it reads pictures with noise added to them, how much that is, and their class, and predicts v, the \
    noise and the picture in one, by the mean squared error, or with --prediction noise the noise alone, by the mean \
    absolute error. A tenth of the pictures it learns untold, so that samples can go beyond what the class says \
    (classifier-free guidance). Samples are made with the moving average of the weights. They are judged by a small \
    classifier that learns to tell the real pictures apart: by the Fréchet distance of what it sees in them and in \
    pictures that were held out, beside the same of pictures to learn from and of noise; and by how many it \
    recognizes as of the class that was asked for. The U-Net sees squares of 2 by 2 pixels as one, on levels of 32, \
    64 features with two residual blocks each. By default 3 epochs of batches of 64, some eight minutes of two CPU \
    cores, with AdamW and a learning rate that rises to 0.002 in the first twentieth of all steps, and falls to 0 \
    along a cosine; the last epoch's weights are kept. `sample` makes more pictures of it."
)]
pub struct Arguments {
    /// The set to learn from
    #[arg(long, value_name = "SET", value_enum, default_value_t = Of::FashionMnist)]
    data: Of,

    /// Take only the first N pictures of each part
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..))]
    limit: Option<u32>,

    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy, ValueEnum)]
enum Of {
    FashionMnist,
    Cifar10,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { data, limit, options } = arguments;
    let started = options.start("diffusion")?;
    let ((train, test), classes) = match data {
        Of::FashionMnist => (datasets::fashion_mnist()?, datasets::FASHION_MNIST_CLASSES),
        Of::Cifar10 => (datasets::cifar10()?, datasets::CIFAR10_CLASSES),
    };
    let part = |data: Dataset| -> Result<Part> {
        let data = limit.map_or(Ok(data.clone()), |n| data.take(n as usize))?;
        let labels = data.targets()[0].to_vec::<i32>()?;
        let prompts = labels.iter().map(|&label| classes[label as usize].to_string()).collect();
        Ok(Part { pictures: data.inputs()[0].clone(), classes: labels, prompts })
    };
    let set = Set { train: part(train)?, test: part(test)?, classes: classes.len() };
    let image: Vec<usize> = set.train.pictures.shape().iter().skip(1).copied().collect();
    let image = <[usize; 3]>::try_from(image).map_err(|dims| Error::Data(format!("pictures of {dims:?}")))?;
    let denoiser = Denoiser::new(options.diffusion()).of_classes(classes);
    let defaults =
        Defaults { epochs: 3, batch_size: 64, learning_rate: 2e-3, network: UNet::new(image, [32, 64], 2).patch(2) };
    let Some(model) = started.learn(&denoiser, &set, &defaults)? else { return Ok(()) };
    let classes: Vec<String> = classes.iter().map(|class| class.to_string()).collect();
    started.draw(&denoiser, &model, &classes)?;
    started.judge(&denoiser, &model, &set)?;
    started.finish()
}
