//! Training: the step, the loop around it, and what it leaves behind.

mod batches;
mod callback;
mod capture;
mod compile;
mod evaluate;
mod fit;
mod history;
mod save;
mod step;

pub use callback::{Callback, Control, Epoch};
pub use compile::{Losses, Metrics};
pub use fit::Fit;
pub use history::{History, Logs};
pub use step::{Batch, Running};

use crate::device::Device;
use crate::error::Result;
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::model::Model;
use crate::ops::Generator;
use crate::optimizers::{self, Optimizer};
use crate::tensor::Tensor;

/// A model with all that training it needs: optimizer, losses, metrics, and their state on the device.
///
/// [`Model::compile`] makes one.
pub struct Trainer {
    /// The model, its weights on the device.
    pub(crate) model: Model,
    pub(crate) optimizer: Box<dyn Optimizer>,
    pub(crate) state: optimizers::State,
    /// One an output; none where [`Trainer::with_step`] replaces them.
    pub(crate) losses: Vec<Box<dyn Loss>>,
    /// The metrics of each output.
    pub(crate) metrics: Vec<Vec<Box<dyn Metric>>>,
    pub(crate) generator: Generator,
    /// The places of the trainable weights.
    pub(crate) trainable: Vec<usize>,
    step: Option<Box<step::CustomStep>>,
    /// Outputs that end with the activation that their loss undoes, as bits.
    logits: u64,
    learning_rate: f64,
    hyper: Tensor,
    trackers: Trackers,
    scratch: step::Scratch,
    /// `None` where steps are not recorded.
    captures: Option<capture::Captures>,
}

/// The running means of an epoch: the loss, and the metrics' states.
struct Trackers {
    loss: Vec<Tensor>,
    metrics: Vec<Vec<Tensor>>,
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
        self.learning_rate
    }

    /// Sets the step size from the next step on.
    pub fn set_learning_rate(&mut self, rate: f64) {
        self.learning_rate = rate;
    }

    /// Copies of all weights, on the device.
    pub fn weights(&self) -> Result<Vec<Tensor>> {
        self.model.weights.iter().map(Tensor::copy).collect()
    }

    /// Sets all weights; what [`Trainer::weights`] returned.
    pub fn set_weights(&mut self, weights: &[Tensor]) -> Result<()> {
        for (to, from) in self.model.weights.iter_mut().zip(weights) {
            to.assign(from)?;
        }
        Ok(())
    }
}
