//! Pictures out of noise.

use super::{Diffusion, Prediction, one_each};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::ops::Generator;
use crate::shape::Shape;
use crate::tensor::{Tensor, no_grad};
use std::ops::Range;

/// How a picture goes from a time to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleStep {
    /// By the noise that the network sees in it: always the same way ([DDIM, Song et al.,
    /// 2020](https://arxiv.org/abs/2010.02502)), which needs few steps.
    Ddim,
    /// By that, and as much new noise as is likely to have been there ([DDPM, Ho et al.,
    /// 2020](https://arxiv.org/abs/2006.11239)), which is better with many steps.
    Ddpm,
}

/// How pictures are made.
///
/// By default 20 steps of DDIM, no guidance beyond the condition, values kept within [−1, 1], from seed 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// How many pictures.
    pub count: usize,
    /// Steps from noise to a picture.
    pub steps: usize,
    /// How a step is made.
    pub step: SampleStep,
    /// See [`Sample::guidance`].
    pub guidance: f64,
    /// How far from 0 values may be.
    pub clip: Option<f64>,
    /// The seed of the noise.
    pub seed: u64,
}

/// Pictures that go through the network at once: of each such group the noise is drawn by itself, so that the first
/// pictures of a seed are the same however many there are.
const TOGETHER: usize = 64;

impl Sample {
    /// So many pictures.
    pub fn new(count: usize) -> Sample {
        Sample { count, steps: 20, step: SampleStep::Ddim, guidance: 1.0, clip: Some(1.0), seed: 0 }
    }

    /// How many pictures.
    pub fn count(mut self, count: usize) -> Sample {
        self.count = count;
        self
    }

    /// Steps from noise to a picture.
    pub fn steps(mut self, steps: usize) -> Sample {
        self.steps = steps;
        self
    }

    /// How a step is made.
    pub fn step(mut self, step: SampleStep) -> Sample {
        self.step = step;
        self
    }

    /// How far to go from what the network predicts without the condition to what it predicts with it, and beyond:
    /// without + guidance · (with − without) ([Ho and Salimans, 2022](https://arxiv.org/abs/2207.12598)). 0 leaves the
    /// condition out, 1 is the condition alone; both take half the time of any other number.
    pub fn guidance(mut self, guidance: f64) -> Sample {
        self.guidance = guidance;
        self
    }

    /// How far from 0 values of pictures may be, to which each step's are clipped; with `None` they may be anything.
    pub fn clip(mut self, most: Option<f64>) -> Sample {
        self.clip = most;
        self
    }

    /// The seed of the noise.
    pub fn seed(mut self, seed: u64) -> Sample {
        self.seed = seed;
        self
    }

    fn check(&self) -> Result<()> {
        let refuse = |what: &str, expected: &str, got: String| {
            Err(Error::Config(format!("argument `{what}`: expected {expected}, got {got}")))
        };
        match self {
            Sample { count: 0, .. } => refuse("count", "at least one picture", "0".into()),
            Sample { steps: 0, .. } => refuse("steps", "at least one step", "0".into()),
            _ if !self.guidance.is_finite() => refuse("guidance", "a finite number", self.guidance.to_string()),
            Sample { clip: Some(most), .. } if most.is_nan() || *most <= 0.0 => {
                refuse("clip", "a positive number", most.to_string())
            }
            _ => Ok(()),
        }
    }
}

/// Pictures on their way out of noise: each step gives them as the network sees them behind the noise, float32 `(pictures,
/// height, width, channels)`; the last are the pictures.
pub struct Denoising<'a> {
    diffusion: Diffusion,
    model: &'a Model,
    sample: Sample,
    conditions: Vec<Tensor>,
    /// One for each group.
    generators: Vec<Generator>,
    noisy: Tensor,
    done: usize,
}

impl Diffusion {
    /// Pictures that `model` makes of noise, in groups of 64; each of `conditions` has a row for each picture. The same
    /// seed gives the same pictures to the last bit on one device, and within rounding on another.
    ///
    /// # Errors
    /// A model that does not read and give pictures, conditions that do not fit it or the number of pictures, a number of
    /// steps or pictures that is 0.
    pub fn sample(&self, model: &Model, conditions: &[Tensor], sample: &Sample) -> Result<Tensor> {
        let last = self.denoising(model, conditions, sample)?.last().transpose()?;
        last.ok_or_else(|| Error::Internal("no step was made".into()))
    }

    /// The same step by step.
    ///
    /// # Errors
    /// As [`Diffusion::sample`].
    pub fn denoising<'a>(&self, model: &'a Model, conditions: &[Tensor], sample: &Sample) -> Result<Denoising<'a>> {
        self.check()?;
        sample.check()?;
        let graph = model.graph();
        let wrong = |message: String| Err(Error::Config(format!("diffusion: {message}")));
        let output = graph.outputs.first().and_then(|&output| graph.spec(output));
        let (Some((name, pictures)), Some(output)) = (graph.inputs.first(), output) else {
            return wrong("a model without inputs".into());
        };
        if pictures.rank() < 2 || pictures.dims != output.dims {
            let message = format!("expected a model that answers in the shape of its input `{name}`");
            return wrong(format!("{message}, {pictures}, got {output}"));
        }
        if graph.inputs.len() != 2 + conditions.len() {
            let (takes, told) = (graph.inputs.len(), conditions.len());
            let message = "expected a model that reads pictures, the variance of their noise, and each condition";
            return wrong(format!("{message}: it has {takes} inputs, and {told} conditions are given"));
        }
        let Some(shape) = pictures.shape(sample.count) else {
            return wrong(format!("expected an input `{name}` of known extents, got {pictures}"));
        };
        let told = conditions.iter().map(|c| check_rows(c, sample.count)?.to_device(&model.device));
        let conditions = told.collect::<Result<Vec<_>>>()?;
        let groups = 0..sample.count.div_ceil(TOGETHER) as i64;
        let generators = groups.map(|group| Generator::at_step(sample.seed as i64, group, &model.device));
        let generators = generators.collect::<Result<Vec<_>>>()?;
        let noisy = normal(&generators, &shape, 1.0)?;
        Ok(Denoising { diffusion: *self, model, sample: *sample, conditions, generators, noisy, done: 0 })
    }
}

/// The pictures of each group.
fn groups(count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(TOGETHER).map(move |first| first..(first + TOGETHER).min(count))
}

/// Noise for pictures of this shape, each group's by its generator.
fn normal(generators: &[Generator], shape: &Shape, deviation: f64) -> Result<Tensor> {
    let of = |(generator, rows): (&Generator, Range<usize>)| {
        let dims: Vec<usize> = std::iter::once(rows.len()).chain(shape.iter().skip(1).copied()).collect();
        generator.normal(&dims[..], DType::F32, 0.0, deviation)
    };
    let drawn = generators.iter().zip(groups(shape[0])).map(of).collect::<Result<Vec<_>>>()?;
    Tensor::concatenate(&drawn.iter().collect::<Vec<_>>(), 0)
}

impl Sample {
    /// Whether the network is asked with and without the condition.
    fn is_guided(&self) -> bool {
        self.guidance != 0.0 && self.guidance != 1.0
    }

    /// What the network is told of the condition: nothing, it, or both one after the other.
    fn told(&self, condition: &Tensor) -> Result<Tensor> {
        let nothing = || Tensor::zeros(&condition.device(), condition.shape(), condition.dtype());
        match self.guidance {
            0.0 => nothing(),
            1.0 => Ok(condition.clone()),
            _ => Tensor::concatenate(&[&nothing()?, condition], 0),
        }
    }
}

/// A condition that has a row for each picture.
fn check_rows(condition: &Tensor, count: usize) -> Result<&Tensor> {
    let shape = condition.shape();
    match shape.first() == Some(&count) {
        true => Ok(condition),
        false => Err(Error::Data(format!("diffusion: expected conditions of {count} pictures, got shape {shape}"))),
    }
}

impl Denoising<'_> {
    /// The pictures with the noise that is left in them, before the next step.
    pub fn noisy(&self) -> &Tensor {
        &self.noisy
    }

    /// What the network predicts of the noisy pictures, with this variance of their noise.
    fn predict(&self, variance: f64) -> Result<Tensor> {
        let of = |rows| self.predict_group(rows, variance);
        let predicted = groups(self.sample.count).map(of).collect::<Result<Vec<_>>>()?;
        Tensor::concatenate(&predicted.iter().collect::<Vec<_>>(), 0)
    }

    fn predict_group(&self, rows: Range<usize>, variance: f64) -> Result<Tensor> {
        let guided = self.sample.is_guided() && !self.conditions.is_empty();
        let n = rows.len();
        let noisy = self.noisy.slice(0, rows.clone())?;
        let noisy = if guided { Tensor::concatenate(&[&noisy, &noisy], 0)? } else { noisy };
        let shape = noisy.shape();
        let mut inputs = vec![Tensor::full(&noisy.device(), one_each(shape[0], shape.rank())?, DType::F32, variance)?];
        inputs.insert(0, noisy);
        for condition in &self.conditions {
            inputs.push(self.sample.told(&condition.slice(0, rows.clone())?)?);
        }
        let outputs = self.model.call(&inputs.iter().collect::<Vec<_>>())?;
        let predicted = outputs.first().ok_or_else(|| Error::Internal("a model has an output".into()))?;
        let predicted = predicted.cast(DType::F32)?;
        if !guided {
            return Ok(predicted);
        }
        let (without, with) = (predicted.slice(0, 0..n)?, predicted.slice(0, n..2 * n)?);
        without.add(&with.sub(&without)?.mul_scalar(self.sample.guidance)?)
    }

    /// One step, from which the pictures come as the network sees them.
    fn step(&mut self) -> Result<Tensor> {
        let time = |done: usize| 1.0 - done as f64 / self.sample.steps as f64;
        let now = self.diffusion.schedule.rates(time(self.done));
        let next = self.diffusion.schedule.rates(time(self.done + 1));
        let predicted = self.predict(now.noise * now.noise)?;
        let weighed = |a: &Tensor, by: f64, b: &Tensor, with: f64| a.mul_scalar(by)?.add(&b.mul_scalar(with)?);
        let mut pictures = match self.diffusion.prediction {
            // (x − noise rate · noise) / signal rate
            Prediction::Noise => weighed(&self.noisy, 1.0 / now.signal, &predicted, -now.noise / now.signal)?,
            Prediction::Velocity => weighed(&self.noisy, now.signal, &predicted, -now.noise)?,
        };
        if let Some(most) = self.sample.clip {
            pictures = pictures.clip(-most, most)?;
        }
        self.done += 1;
        if self.done < self.sample.steps {
            // The noise that would make these pictures what they were.
            let noise = weighed(&self.noisy, 1.0 / now.noise, &pictures, -now.signal / now.noise)?;
            // What is new of the noise, by its standard deviation; that of DDPM is β̃, as DDIM's paper has it (16).
            let new = match self.sample.step {
                SampleStep::Ddim => 0.0,
                SampleStep::Ddpm => {
                    let kept = now.signal / next.signal;
                    next.noise / now.noise * (1.0 - kept * kept).max(0.0).sqrt()
                }
            };
            let old = (next.noise * next.noise - new * new).max(0.0).sqrt();
            self.noisy = weighed(&pictures, next.signal, &noise, old)?;
            if new > 0.0 {
                let drawn = normal(&self.generators, &self.noisy.shape(), new)?;
                self.noisy = self.noisy.add(&drawn)?;
            }
        }
        Ok(pictures)
    }
}

impl Iterator for Denoising<'_> {
    type Item = Result<Tensor>;

    fn next(&mut self) -> Option<Result<Tensor>> {
        if self.done >= self.sample.steps {
            return None;
        }
        let step = no_grad(|| self.step());
        if step.is_err() {
            self.done = self.sample.steps;
        }
        Some(step)
    }
}
