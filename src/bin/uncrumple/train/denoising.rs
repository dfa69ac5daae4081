//! How a network learns to make pictures out of noise, and what it leaves behind.

use super::judge::Judge;
use super::pace::Pace;
use super::print_left;
use super::run::Run;
use crate::options::describe;
use crate::sample::guidance;
use crate::{plot, say};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use uncrumple::diffusion::{Diffusion, NoiseSchedule, Prediction, Sample};
use uncrumple::prelude::*;
use uncrumple::programs::diffusion::{Denoiser, UNet, shown};

/// Options of a task that makes pictures; what is not given is the task's own.
#[derive(Args)]
pub struct Options {
    /// How noise grows with time
    #[arg(long, value_name = "SCHEDULE", value_enum, default_value_t = Schedule::Cosine)]
    schedule: Schedule,

    /// What the network predicts of a noisy picture: the noise in it, or v, which is as hard to tell at every time
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Predicted::V)]
    prediction: Predicted,

    /// Steps from noise to a picture, by DDIM, in the samples of the end
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    steps: u32,

    /// How far the samples of the end go from what the network predicts untold to what it predicts told, and beyond
    #[arg(long, value_name = "G", default_value_t = 2.0, allow_negative_numbers = true, value_parser = guidance)]
    guidance: f64,

    #[command(flatten)]
    pace: Pace,

    #[command(flatten)]
    run: Run,
}

/// The values have no descriptions, which would make the help longer than it is worth.
#[derive(Clone, Copy, ValueEnum)]
enum Schedule {
    Cosine,
    Linear,
}

#[derive(Clone, Copy, ValueEnum)]
enum Predicted {
    Noise,
    V,
}

/// What a task takes where nothing is given.
pub struct Defaults {
    pub epochs: usize,
    pub batch_size: usize,
    pub learning_rate: f64,
    pub network: UNet,
}

/// Pictures to learn from, and real ones that are held out.
pub struct Set {
    pub train: Part,
    pub test: Part,
    /// How many classes there are.
    pub classes: usize,
}

/// Pictures (n, height, width, channels) with values in [0, 1], the classes by which they are judged, and what the network
/// is told of each.
#[derive(Clone)]
pub struct Part {
    pub pictures: Tensor,
    pub classes: Vec<i32>,
    pub prompts: Vec<String>,
}

impl Part {
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Those at these places.
    pub fn choose(&self, places: &[usize]) -> Result<Part> {
        let numbers: Vec<i32> = places.iter().map(|&place| place as i32).collect();
        Ok(Part {
            pictures: self.pictures.gather(&Tensor::from_slice(&numbers, numbers.len())?)?,
            classes: places.iter().map(|&place| self.classes[place]).collect(),
            prompts: places.iter().map(|&place| self.prompts[place].clone()).collect(),
        })
    }

    /// So many, from the whole.
    pub fn some(&self, count: usize) -> Result<Part> {
        let count = count.min(self.len());
        self.choose(&(0..count).map(|i| i * self.len() / count).collect::<Vec<_>>())
    }

    /// As many of each class as `other` has, from the whole; fewer where there are fewer.
    fn alike(&self, other: &Part) -> Result<Part> {
        let mut places = Vec::with_capacity(other.len());
        for class in 0..=other.classes.iter().copied().max().unwrap_or(0) {
            let of_class: Vec<usize> = (0..self.len()).filter(|&i| self.classes[i] == class).collect();
            let wanted = other.classes.iter().filter(|c| **c == class).count().min(of_class.len());
            places.extend((0..wanted).map(|i| of_class[i * of_class.len() / wanted]));
        }
        self.choose(&places)
    }

    pub fn prompts(&self) -> Vec<&str> {
        self.prompts.iter().map(String::as_str).collect()
    }
}

/// Pictures that are made to be judged.
const JUDGED: usize = 1000;
/// How many of the held-out pictures are looked at after each epoch.
const VALIDATION: usize = 1000;
/// How much of the mean of the weights a step keeps, of which samples are made: in 3000 steps hardly anything is left of the
/// weights before the first.
const MOMENTUM: f64 = 0.998;

/// A task under way.
pub struct Started<'a> {
    options: &'a Options,
    device: Device,
    pub out: PathBuf,
}

impl Options {
    pub fn seed(&self) -> u64 {
        self.run.compute.seed()
    }

    /// Finds the device, which comes before all that computes, and makes the folder.
    pub fn start(&self, name: &str) -> Result<Started<'_>> {
        let device = self.run.compute.start()?;
        Ok(Started { options: self, device, out: self.run.out(name)? })
    }

    /// How pictures are made.
    pub fn diffusion(&self) -> Diffusion {
        let schedule = match self.schedule {
            Schedule::Cosine => NoiseSchedule::COSINE,
            Schedule::Linear => NoiseSchedule::LINEAR,
        };
        let prediction = match self.prediction {
            Predicted::Noise => Prediction::Noise,
            Predicted::V => Prediction::Velocity,
        };
        Diffusion::new().schedule(schedule).prediction(prediction)
    }

    /// The samples of the end.
    pub fn sample(&self) -> Sample {
        Sample::new(1).steps(self.steps as usize).guidance(self.guidance).seed(self.seed())
    }
}

impl Started<'_> {
    /// Trains a network and leaves it with its history and curves; nothing comes back where Ctrl-C ended it.
    pub fn learn(&self, denoiser: &Denoiser, set: &Set, defaults: &Defaults) -> Result<Option<Model>> {
        let Started { options, device, out } = self;
        let Options { pace, run, .. } = options;
        let model = denoiser.model(defaults.network.clone())?.seed(options.seed())?;
        let (epochs, batch) = (pace.epochs(defaults.epochs), pace.batch_size(defaults.batch_size));
        say(format!(
            "network  a U-Net of {} parameters, batches of {batch}\npictures {} to learn from, {} held out\non       {}\n",
            model.count_params(),
            set.train.len(),
            set.test.len(),
            describe(device)
        ))?;
        let data = denoiser.dataset(&set.train.pictures, &set.train.prompts())?;
        let seen = set.test.some(VALIDATION)?;
        let validation = denoiser.dataset(&seen.pictures, &seen.prompts())?;
        let rate = pace.schedule(defaults.learning_rate, epochs.saturating_mul(data.len().div_ceil(batch)), 20);
        let optimizer = AdamW::new(rate).use_ema(true).ema_momentum(MOMENTUM);
        let model = model.precision(run.precision.into()).on(device.clone());
        let mut trainer = model.compile(optimizer, (), ())?.with_step(denoiser.diffusion().step());
        let how = denoiser.diffusion().to_json();
        let fit = Fit::epochs(epochs).batch_size(batch).validation_data(&validation).identity(how);
        let Some(history) = run.train(&mut trainer, &data, fit, out)? else { return Ok(None) };
        plot::learning_curves(&history, None, &out.join("learning-curves.png"))?;
        Ok(Some(trainer.into_model()))
    }

    /// Prints how far what the network makes is from real pictures that were held out, beside real ones to learn from, and
    /// noise: as a classifier sees them that learnt from the real ones.
    pub fn judge(&self, denoiser: &Denoiser, model: &Model, set: &Set) -> Result<()> {
        let Options { steps, guidance, .. } = self.options;
        let train = Tensor::from_slice(&set.train.classes, set.train.len())?;
        let judge = Judge::train(&set.train.pictures, &train, set.classes, self.options.seed(), &self.device)?;
        let real = set.test.some(JUDGED)?;
        let known = set.train.alike(&real)?;
        let sampled =
            |guidance: f64| denoiser.sample(model, &real.prompts(), &self.options.sample().guidance(guidance));
        let generator = uncrumple::ops::Generator::new(self.options.seed() as i64, &Device::Cpu)?;
        let noise = shown(&generator.normal(real.pictures.shape(), DType::F32, 0.0, 1.0)?)?;
        let mut rows = vec![
            ("pictures to learn from".into(), known.pictures, known.classes),
            (format!("the network's, {steps} steps, guidance {guidance}"), sampled(*guidance)?, real.classes.clone()),
        ];
        if *guidance != 1.0 {
            rows.push((format!("the network's, {steps} steps, guidance 1"), sampled(1.0)?, real.classes.clone()));
        }
        rows.push(("noise".into(), noise, real.classes.clone()));
        say("")?;
        judge.print(&format!("{} pictures against {} held out", real.len(), real.len()), &real.pictures, &rows)
    }

    /// Draws pictures of these prompts, a row for each.
    pub fn draw(&self, denoiser: &Denoiser, model: &Model, prompts: &[String]) -> Result<()> {
        let samples = plot::Samples { denoiser, model, prompts, columns: COLUMNS, sample: self.options.sample() };
        samples.draw(&self.out.join(SAMPLES), Some(&self.out.join(FILM)))
    }

    /// Prints which files are left.
    pub fn finish(&self) -> Result<()> {
        say("")?;
        print_left(&self.out, &LEFT)
    }
}

/// Pictures of a prompt.
const COLUMNS: usize = 10;
const SAMPLES: &str = "samples.png";
const FILM: &str = "denoising.gif";

/// What a run leaves in its folder.
const LEFT: [(&str, &str); 5] = [
    ("model.keras", "the trained network: `uncrumple sample` takes it"),
    ("history.csv", "the loss of each epoch"),
    ("learning-curves.png", "the same as a curve"),
    (SAMPLES, "pictures that it makes"),
    (FILM, "how they come out of noise"),
];
