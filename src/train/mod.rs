//! Training: the step, the loop around it, and what it leaves behind.

mod backup;
mod batches;
mod callback;
mod capture;
mod check;
mod compile;
mod evaluate;
mod feed;
mod find_learning_rate;
mod fit;
mod head;
mod history;
mod part;
mod probe;
mod save;
mod step;

pub use callback::{Callback, CallbackState, Control, Epoch};
pub use compile::{Losses, Metrics};
pub use find_learning_rate::LearningRates;
pub use fit::Fit;
pub use history::{History, Logs};
pub use part::Part;
pub use probe::peak;
pub use step::{Batch, Running};

use crate::device::Device;
use crate::error::{Error, Result};
use crate::layers::Mixing;
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::model::Model;
use crate::ops::Generator;
use crate::optimizers::{self, Optimizer};
use crate::schedules::LearningRate;
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// A model with all that training it needs: optimizer, losses, metrics, and their state on the device.
///
/// [`Model::compile`] makes one.
pub struct Trainer {
    /// The model, its weights on the device.
    pub(crate) model: Model,
    optimizer: Box<dyn Optimizer>,
    state: optimizers::State,
    /// One an output, one for all of them, or none where [`Trainer::with_step`] replaces them.
    losses: Vec<Box<dyn Loss>>,
    /// What the outputs' losses are multiplied by.
    loss_weights: Option<Vec<f64>>,
    /// The metrics of each output.
    metrics: Vec<Vec<Box<dyn Metric>>>,
    /// Decides dropout and shuffling.
    seed: i64,
    generator: Generator,
    /// The places of the trainable weights.
    trainable: Vec<usize>,
    /// Those of them that no other optimizer changes.
    main: Vec<usize>,
    /// The optimizers of parts.
    owns: Vec<part::Own>,
    step: Option<Box<step::CustomStep>>,
    /// What mixes the samples of a batch before a step trains on them.
    mixing: Option<Box<dyn Mixing>>,
    /// Outputs that end with the activation that their loss undoes, as bits.
    logits: u64,
    /// Those of the first outputs whose loss is computed without their logits.
    heads: SmallVec<[Option<head::OutputHead>; 1]>,
    trackers: Trackers,
    scratch: step::Scratch,
    /// `None` where steps are not recorded.
    captures: Option<capture::Captures>,
    /// Of the last run.
    history: History,
    /// What the present run's epochs are described by.
    figures: Vec<String>,
}

/// The running means of an epoch: the loss, those of the outputs where there are several, and the metrics' states.
struct Trackers {
    /// Sum and number of samples.
    loss: Vec<Tensor>,
    /// Sums.
    losses: Vec<Tensor>,
    metrics: Vec<Vec<Tensor>>,
}

impl Trackers {
    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.loss.iter().chain(&self.losses).chain(self.metrics.iter().flatten())
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut Tensor> {
        self.loss.iter_mut().chain(&mut self.losses).chain(self.metrics.iter_mut().flatten())
    }
}

impl Trainer {
    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model, for what comes after training.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// Where it trains.
    pub fn device(&self) -> &Device {
        &self.model.device
    }

    /// How many steps the optimizer has made.
    pub fn iterations(&self) -> u64 {
        self.state.iteration
    }

    /// The step size of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.optimizer.settings().learning_rate.at(self.state.iteration)
    }

    /// The step size, where no schedule decides it.
    fn constant_rate(&self) -> Option<f64> {
        match self.optimizer.settings().learning_rate {
            LearningRate::Constant(rate) => Some(rate),
            LearningRate::Schedule(_) => None,
        }
    }

    /// Sets the step size from the next step on, as callbacks do: that of the trainer's optimizer, not of those that parts have
    /// by [`Trainer::with_optimizer`].
    ///
    /// # Errors
    /// A number below 0, infinity, NaN; an optimizer whose learning rate is a schedule, which nobody else can set.
    pub fn set_learning_rate(&mut self, rate: f64) -> Result<()> {
        if !(rate.is_finite() && rate >= 0.0) {
            return Err(Error::Config(format!("expected a learning rate of at least 0, got {rate}")));
        }
        let settings = self.optimizer.settings_mut();
        if let LearningRate::Schedule(schedule) = &settings.learning_rate {
            let class = schedule.class_name();
            return Err(Error::Config(format!(
                "the learning rate is a {class}, which sets it at each step: give the optimizer a number to set it from outside"
            )));
        }
        settings.learning_rate = rate.into();
        Ok(())
    }

    /// Makes the trainable weights their moving average where the optimizer keeps one and has made a step; the end of
    /// [`Trainer::fit`] does it.
    ///
    /// # Errors
    /// A device that fails.
    pub fn finalize_variable_values(&mut self) -> Result<()> {
        let main = (&self.optimizer, &self.state, &self.main);
        let owns = self.owns.iter().map(|own| (&own.optimizer, &own.state, &own.places));
        for (optimizer, state, places) in std::iter::once(main).chain(owns) {
            let average = optimizer.all_slots().iter().position(|name| *name == "average");
            let Some(average) = average.filter(|_| state.iteration > 0) else { continue };
            for (&place, slots) in places.iter().zip(&state.slots) {
                // A copy: an assigned value may share its bytes.
                self.model.weights[place].assign(&slots[average].copy()?)?;
            }
        }
        Ok(())
    }

    /// The figures of each epoch of the last [`Trainer::fit`], also of one that ended in an error.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The names of the figures that each epoch of the present run will have, as callbacks may ask before the first.
    pub fn figures(&self) -> &[String] {
        &self.figures
    }

    /// Copies of all weights, on the device.
    pub fn weights(&self) -> Result<Vec<Tensor>> {
        self.model.weights.iter().map(Tensor::copy).collect()
    }

    /// Sets all weights; what [`Trainer::weights`] returned.
    ///
    /// # Errors
    /// Another number of weights, another shape or dtype; no weight changes then.
    pub fn set_weights(&mut self, weights: &[Tensor]) -> Result<()> {
        let (want, got) = (self.model.weights.len(), weights.len());
        if want != got {
            return Err(Error::shape("set_weights", format!("expected {want} weights, got {got}")));
        }
        for ((to, from), path) in self.model.weights.iter().zip(weights).zip(self.model.weight_paths()) {
            let (want, got) = (to.meta(), from.meta());
            if want != got {
                let message = format!("expected {} {}, got {} {}", want.dtype, want.shape, got.dtype, got.shape);
                return Err(Error::shape(format!("weight `{path}`"), message));
            }
        }
        let device = self.device().clone();
        let weights = weights.iter().map(|w| w.to_device(&device)).collect::<Result<Vec<_>>>()?;
        for (to, from) in self.model.weights.iter_mut().zip(&weights) {
            to.assign(from)?;
        }
        Ok(())
    }
}
