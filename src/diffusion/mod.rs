//! Diffusion: networks that learn to tell a picture from noise, and pictures that come out of noise by them.

mod denoising;
mod schedule;

pub use denoising::{Denoising, Sample, SampleStep};
pub use schedule::{NoiseSchedule, Rates};

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;
use crate::train::{Batch, Running};
use serde_json::{Value, json};
use smallvec::SmallVec;

/// What a network predicts of a noisy picture, by which the picture and the noise in it are known, and the loss of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise ([Ho et al., 2020](https://arxiv.org/abs/2006.11239)), by the mean absolute error, as in
    /// [Keras's example](https://keras.io/examples/generative/ddim/).
    Noise,
    /// v = signal rate · noise − noise rate · picture ([Salimans and Ho, 2022](https://arxiv.org/abs/2202.00512)), which is
    /// as hard to tell at every time; by the mean squared error, under which it is the mean of all that may be below the noise.
    /// Under the absolute error it would be the median, from which a strap before a dark background is missing.
    Velocity,
}

/// How a network is taught to denoise, and how it is asked.
///
/// The network reads noisy pictures `(batch, height, width, channels)`, the variance of their noise `(batch, 1, 1, 1)`,
/// from 0 to 1, and whatever else it is told of each picture, its conditions: numbers of which 0 throughout stands for
/// nothing told. It answers in the pictures' shape with what [`Prediction`] says. Pictures are scaled so that their values
/// have about the variance of the noise, 1: most often to [−1, 1].
///
/// ```
/// use uncrumple::diffusion::{Diffusion, Sample};
/// use uncrumple::prelude::*;
/// use uncrumple::programs::diffusion::UNet;
/// # fn main() -> Result<()> {
/// let diffusion = Diffusion::new();
/// let model = UNet::new([8, 8, 1], [8, 16], 1).model()?;
/// let mut trainer = model.compile(Adam::new(1e-3).use_ema(true), (), ())?.with_step(diffusion.step());
/// # let pictures = Tensor::ones(&Device::Cpu, [16, 8, 8, 1], DType::F32)?;
/// trainer.fit(&Dataset::new(pictures, ())?, Fit::epochs(1).batch_size(8))?;
/// let pictures = diffusion.sample(trainer.model(), &[], &Sample::new(4).steps(5))?;
/// assert_eq!(pictures.shape().dims(), [4, 8, 8, 1]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diffusion {
    schedule: NoiseSchedule,
    prediction: Prediction,
    unconditional: f64,
}

impl Default for Diffusion {
    fn default() -> Diffusion {
        Diffusion::new()
    }
}

impl Diffusion {
    /// Noise by [`NoiseSchedule::COSINE`], which is what is predicted; a tenth of the pictures is learnt without being told
    /// its condition.
    pub fn new() -> Diffusion {
        Diffusion { schedule: NoiseSchedule::COSINE, prediction: Prediction::Noise, unconditional: 0.1 }
    }

    /// How much noise there is at each time.
    pub fn schedule(mut self, schedule: NoiseSchedule) -> Diffusion {
        self.schedule = schedule;
        self
    }

    /// What the network predicts.
    pub fn prediction(mut self, prediction: Prediction) -> Diffusion {
        self.prediction = prediction;
        self
    }

    /// The share of pictures whose conditions training sets to 0, so that the network can be asked without one as well, as
    /// classifier-free guidance does ([Ho and Salimans, 2022](https://arxiv.org/abs/2207.12598)); by default 0.1.
    pub fn unconditional(mut self, share: f64) -> Diffusion {
        self.unconditional = share;
        self
    }

    /// The step for [`Trainer::with_step`](crate::train::Trainer::with_step): to each picture of a batch noise is added, as
    /// much as there is at a time drawn for it, and the loss is that of [`Prediction`]. A batch's inputs are pictures, and
    /// behind them the conditions.
    pub fn step(self) -> impl Fn(&Running, &Batch) -> Result<Tensor> + Clone + Send + Sync + 'static {
        move |running, batch| self.loss(running, batch)
    }

    /// The loss of a batch, see [`Diffusion::step`].
    ///
    /// # Errors
    /// A batch without pictures, a model of other inputs, a share that is none, rates that are none.
    pub fn loss(&self, running: &Running, batch: &Batch) -> Result<Tensor> {
        self.check()?;
        let Some((pictures, conditions)) = batch.inputs().split_first() else {
            return Err(Error::Data("diffusion: expected pictures as the first input of a batch, got none".into()));
        };
        let shape = pictures.shape();
        let each = one_each(batch.len(), shape.rank())?;
        let generator = running.generator();
        let noise = generator.normal(shape, DType::F32, 0.0, 1.0)?;
        let times = generator.uniform(each, DType::F32, 0.0, 1.0)?;
        let rates = self.schedule.rates_of(&times)?;
        let noisy = pictures.mul(&rates.signal)?.add(&noise.mul(&rates.noise)?)?;
        let mut inputs: SmallVec<[Tensor; 4]> = SmallVec::from_iter([noisy, rates.noise.square()?]);
        if !conditions.is_empty() {
            let told = generator.uniform(each, DType::F32, 0.0, 1.0)?;
            let told = told.greater_equal(&Tensor::full(&told.device(), (), DType::F32, self.unconditional)?)?;
            let of = |condition: &Tensor| -> Result<Tensor> {
                let told = told.reshape(one_each(batch.len(), condition.shape().rank())?)?;
                told.select(condition, &Tensor::zeros(&condition.device(), (), condition.dtype())?)
            };
            for condition in conditions {
                inputs.push(of(condition)?);
            }
        }
        let inputs: SmallVec<[&Tensor; 4]> = inputs.iter().collect();
        let outputs = running.call(&inputs)?;
        let [predicted] = &outputs[..] else {
            let message = format!("diffusion: expected a model of one output, got {}", outputs.len());
            return Err(Error::Config(message));
        };
        let wanted = match self.prediction {
            Prediction::Noise => noise,
            Prediction::Velocity => noise.mul(&rates.signal)?.sub(&pictures.mul(&rates.noise)?)?,
        };
        let error = predicted.cast(DType::F32)?.sub(&wanted)?;
        let errors = match self.prediction {
            Prediction::Noise => error.abs()?,
            Prediction::Velocity => error.square()?,
        };
        errors.mean(&[], false)
    }

    fn check(&self) -> Result<()> {
        self.schedule.check()?;
        match (0.0..=1.0).contains(&self.unconditional) {
            true => Ok(()),
            false => {
                let got = self.unconditional;
                Err(Error::Config(format!("argument `unconditional`: expected a share from 0 to 1, got {got}")))
            }
        }
    }

    /// As JSON, for [`Diffusion::from_json`].
    pub fn to_json(&self) -> Value {
        json!({
            "schedule": self.schedule.to_json(),
            "prediction": self.prediction.name(),
            "unconditional": self.unconditional,
        })
    }

    /// What [`Diffusion::to_json`] wrote.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_json(value: &Value) -> Result<Diffusion> {
        let schedule = NoiseSchedule::from_json(&value["schedule"])?;
        let found = value["prediction"].as_str().and_then(Prediction::from_name);
        let prediction = found.ok_or_else(|| Error::Data("a prediction that is neither noise nor velocity".into()))?;
        let unconditional = value["unconditional"].as_f64().unwrap_or(f64::NAN);
        let diffusion = Diffusion { schedule, prediction, unconditional };
        diffusion.check().map(|()| diffusion)
    }
}

impl Prediction {
    const ALL: [(Prediction, &str); 2] = [(Prediction::Noise, "noise"), (Prediction::Velocity, "velocity")];

    fn name(self) -> &'static str {
        Prediction::ALL.into_iter().find(|(prediction, _)| *prediction == self).map_or("", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Prediction> {
        Prediction::ALL.into_iter().find(|(_, n)| *n == name).map(|(prediction, _)| prediction)
    }
}

/// A shape with one number for each of `batch` samples, of this rank.
fn one_each(batch: usize, rank: usize) -> Result<Shape> {
    let mut dims: SmallVec<[usize; MAX_RANK]> = SmallVec::from_elem(1, rank.max(1));
    dims[0] = batch;
    Shape::new(&dims)
}

#[cfg(test)]
mod tests;
