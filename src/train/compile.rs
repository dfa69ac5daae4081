//! From a model to a trainer.

use super::{Trackers, Trainer, step};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::model::Model;
use crate::ops::Generator;
use crate::optimizers::{self, Optimizer};
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Model {
    /// What trains the model: an optimizer, a loss for each output (or `()` before [`Trainer::with_step`]), and metrics
    /// (of the first output, or a list for each).
    ///
    /// ```
    /// use uncrumple::prelude::*;
    /// # fn main() -> Result<()> {
    /// # let model = Sequential::new([4]).add(Dense::new(3).softmax()).build()?;
    /// let trainer = model.compile(RMSprop::new(1e-3), SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Another number of losses than of outputs; a device that fails.
    pub fn compile(
        self,
        optimizer: impl Into<Box<dyn Optimizer>>,
        losses: impl Losses,
        metrics: impl Metrics,
    ) -> Result<Trainer> {
        Trainer::new(self, optimizer.into(), losses.losses(), metrics.metrics())
    }
}

impl Trainer {
    pub(crate) fn new(
        mut model: Model,
        optimizer: Box<dyn Optimizer>,
        losses: Vec<Box<dyn Loss>>,
        mut metrics: Vec<Vec<Box<dyn Metric>>>,
    ) -> Result<Trainer> {
        let outputs = model.graph.outputs.len();
        if !losses.is_empty() && losses.len() != outputs {
            let message = format!(
                "the model has {outputs} outputs and {} losses were given; one is needed for each",
                losses.len()
            );
            return Err(Error::Config(message));
        }
        if metrics.len() > outputs {
            return Err(Error::Config(format!(
                "metrics for {} outputs were given, the model has {outputs}",
                metrics.len()
            )));
        }
        metrics.resize_with(outputs, Vec::new);
        let device = model.device.clone();
        // Copies of its own, which the optimizer changes in place.
        model.weights = model.weights.iter().map(|w| w.copy()?.to_device(&device)).collect::<Result<_>>()?;
        let trainable: Vec<usize> =
            model.graph.weights.iter().enumerate().filter(|(_, (_, w))| w.trainable).map(|(i, _)| i).collect();
        let parameters: Vec<&Tensor> = trainable.iter().map(|&i| &model.weights[i]).collect();
        let state = optimizers::State::new(&*optimizer, &parameters)?;
        let zero = |shape: &Shape| Tensor::zeros(&device, *shape, DType::F32);
        let trackers = Trackers {
            loss: vec![zero(&Shape::SCALAR)?, zero(&Shape::SCALAR)?],
            metrics: metrics
                .iter()
                .flatten()
                .map(|m| m.state().iter().map(zero).collect::<Result<_>>())
                .collect::<Result<_>>()?,
        };
        let mut logits = 0;
        for (i, loss) in losses.iter().enumerate().take(64) {
            let last = model.graph.output_activation(i);
            if last.is_some() && last == loss.link() && !loss.takes_logits() {
                logits |= 1 << i;
            }
        }
        Ok(Trainer {
            learning_rate: optimizer.settings().learning_rate,
            hyper: Tensor::zeros(&device, [8], DType::F32)?,
            generator: Generator::new(model.seed, &device)?,
            model,
            optimizer,
            state,
            losses,
            metrics,
            trainable,
            step: None,
            logits,
            trackers,
            scratch: step::Scratch::default(),
            captures: Some(super::capture::Captures::default()),
        })
    }

    /// The same trainer with a step of one's own: from a batch to the loss that is minimised.
    ///
    /// The loop, the callbacks, the optimizer and the checkpoints stay. `step` may run once for many batches of one
    /// shape, since a CUDA device records what it does and replays it: what it does must not depend on the values it
    /// sees.
    pub fn with_step(
        mut self,
        step: impl Fn(&super::Running, &super::Batch) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Trainer {
        self.step = Some(Box::new(step));
        self
    }
}

/// What can be the losses of a model: one, a list with one for each output, or `()` for none.
pub trait Losses {
    /// The losses.
    fn losses(self) -> Vec<Box<dyn Loss>>;
}

impl Losses for () {
    fn losses(self) -> Vec<Box<dyn Loss>> {
        Vec::new()
    }
}

impl<L: Loss> Losses for L {
    fn losses(self) -> Vec<Box<dyn Loss>> {
        vec![Box::new(self)]
    }
}

impl Losses for Vec<Box<dyn Loss>> {
    fn losses(self) -> Vec<Box<dyn Loss>> {
        self
    }
}

/// What can be the metrics of a model: `()` for none, a list for the first output, or a list for each output.
pub trait Metrics {
    /// The metrics of each output.
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>>;
}

impl Metrics for () {
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>> {
        Vec::new()
    }
}

impl<M: Metric, const N: usize> Metrics for [M; N] {
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>> {
        vec![self.into_iter().map(|m| Box::new(m) as Box<dyn Metric>).collect()]
    }
}

impl Metrics for Vec<Box<dyn Metric>> {
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>> {
        vec![self]
    }
}

impl Metrics for Vec<Vec<Box<dyn Metric>>> {
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>> {
        self
    }
}
