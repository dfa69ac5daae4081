//! From a model to a trainer.

use super::head::OutputHead;
use super::{History, Trackers, Trainer, step};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{ActivationFn, Mixing, Precision};
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::model::Model;
use crate::ops::{Activation, Generator};
use crate::optimizers::{self, Optimizer};
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Model {
    /// What trains the model: an optimizer, a loss for each output or one for all (or `()` before
    /// [`Trainer::with_step`]), and metrics (of the first output, or a list for each).
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
    /// Another number of losses than of outputs; a loss from logits of an output that ends with softmax or sigmoid;
    /// [`Precision::MixedF16`] and an optimizer without a `loss_scale_factor`; a device that fails.
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
        check(&model, &*optimizer, &losses, &metrics)?;
        let outputs = model.graph.outputs.len();
        metrics.resize_with(outputs, Vec::new);
        let device = model.device.clone();
        // Copies of its own, which the optimizer changes in place.
        model.weights = model.weights.iter().map(|w| w.copy()?.to_device(&device)).collect::<Result<_>>()?;
        model.drawn = false;
        let trainable: Vec<usize> =
            model.graph.weights.iter().enumerate().filter(|(_, (_, w))| w.trainable).map(|(i, _)| i).collect();
        let parameters: Vec<(&str, &Tensor)> =
            trainable.iter().map(|&i| (&*model.graph.weights[i].0, &model.weights[i])).collect();
        let state = optimizers::State::new(&*optimizer, &parameters)?;
        let zero = |shape: &Shape| Tensor::zeros(&device, *shape, DType::F32);
        let zeros = |n: usize| (0..n).map(|_| zero(&Shape::SCALAR)).collect::<Result<Vec<_>>>();
        let trackers = Trackers {
            loss: zeros(2)?,
            losses: zeros(if outputs > 1 && !losses.is_empty() { outputs } else { 0 })?,
            metrics: metrics
                .iter()
                .zip(&model.graph.outputs)
                .flat_map(|(list, &output)| list.iter().map(move |metric| (metric, output)))
                .map(|(metric, output)| {
                    let extent = model.graph.spec(output).and_then(|spec| spec.dims.last().copied().flatten());
                    metric.state(extent.unwrap_or(1))?.iter().map(zero).collect::<Result<_>>()
                })
                .collect::<Result<_>>()?,
        };
        let mut logits = 0;
        for i in 0..outputs.min(64) {
            let last = model.graph.output_activation(i);
            if last.is_some_and(|_| loss_of(&losses, i).is_some_and(|l| last == l.link() && !l.takes_logits())) {
                logits |= 1 << i;
            }
        }
        let head = |i: usize| OutputHead::of(&model, i, &losses, &metrics[i]);
        let heads = (0..outputs.min(64)).map(head).collect();
        Ok(Trainer {
            seed: model.seed,
            generator: Generator::new(model.seed, &device)?,
            model,
            optimizer,
            state,
            losses,
            loss_weights: None,
            metrics,
            main: trainable.clone(),
            owns: Vec::new(),
            trainable,
            step: None,
            mixing: None,
            logits,
            heads,
            trackers,
            scratch: step::Scratch::default(),
            captures: Some(super::capture::Captures::default()),
            history: History::default(),
            figures: Vec::new(),
        })
    }

    /// The same trainer with a step of one's own: from a batch to the loss that is minimised.
    ///
    /// The loop, the callbacks, the optimizer and the checkpoints stay; evaluation and validation run the step too, in
    /// inference mode. Metrics are not known to it: training refuses them. `step` may run once for many batches of one
    /// shape, since a CUDA device records what it does and replays it: what it does must not depend on the values it
    /// sees.
    pub fn with_step(
        mut self,
        step: impl Fn(&super::Running, &super::Batch) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Trainer {
        self.step = Some(Box::new(step));
        self.trackers.losses.clear();
        self.forget_captures();
        self
    }

    /// The same trainer, whose steps train on batches that are mixed first: their images and their labels, which are
    /// vectors (one-hot, say) and not whole numbers. Metrics of training compare with the mixed labels, as in Keras;
    /// what is evaluated and predicted is not mixed.
    ///
    /// ```
    /// use uncrumple::prelude::*;
    /// # fn main() -> Result<()> {
    /// # let model = Sequential::new([8, 8, 1]).add(Flatten::new()).add(Dense::new(3).softmax()).build()?;
    /// let trainer = model.compile(SGD::new(0.1), CategoricalCrossentropy::new(), [CategoricalAccuracy::new()])?;
    /// let trainer = trainer.mixing(CutMix::new(1.0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A step then fails on data that is not one input of images and one target of vectors.
    pub fn mixing(mut self, mixing: impl Mixing) -> Trainer {
        self.mixing = Some(Box::new(mixing));
        self.forget_captures();
        self
    }

    /// What the outputs' losses are multiplied by before they are added up, one number for each output; 1 unless told
    /// otherwise. The outputs' own figures, `{output}_loss`, stay as they are.
    ///
    /// # Errors
    /// Another number of weights than of outputs, a weight that is not finite.
    pub fn loss_weights(mut self, weights: impl Into<Vec<f64>>) -> Result<Trainer> {
        let (weights, outputs) = (weights.into(), self.metrics.len());
        if weights.len() != outputs || weights.iter().any(|w| !w.is_finite()) {
            return Err(Error::Config(format!("`loss_weights`: expected {outputs} finite numbers, got {weights:?}")));
        }
        self.loss_weights = Some(weights);
        self.forget_captures();
        Ok(self)
    }

    /// The same trainer with another seed of dropout and shuffling. The weights stay as they are.
    pub fn seed(mut self, seed: u64) -> Result<Trainer> {
        self.seed = seed as i64;
        self.generator = Generator::at_step(self.seed, self.state.iteration as i64, self.device())?;
        self.forget_captures();
        Ok(self)
    }
}

/// The loss of an output; one alone is every output's.
pub(super) fn loss_of(losses: &[Box<dyn Loss>], output: usize) -> Option<&dyn Loss> {
    losses.get(if losses.len() == 1 { 0 } else { output }).map(|loss| &**loss)
}

/// Refuses what would train wrongly or not at all.
fn check(
    model: &Model,
    optimizer: &dyn Optimizer,
    losses: &[Box<dyn Loss>],
    metrics: &[Vec<Box<dyn Metric>>],
) -> Result<()> {
    let refuse = |message: String| Err(Error::Config(message));
    let names = model.graph.output_names();
    let outputs = names.len();
    if ![0, 1, outputs].contains(&losses.len()) {
        let message = format!("the model has {outputs} outputs and {} losses were given", losses.len());
        return refuse(format!("{message}; one is needed for each, or one for all"));
    }
    if metrics.len() > outputs {
        return refuse(format!("metrics for {} outputs were given, the model has {outputs}", metrics.len()));
    }
    if model.precision == Precision::MixedF16 && optimizer.settings().loss_scale_factor.is_none() {
        let message = "gradients of mixed_float16 are rounded to 0 unless the loss is scaled";
        return refuse(format!("{message}: give the optimizer a loss_scale_factor, or use Precision::MixedBf16"));
    }
    for (i, name) in names.iter().enumerate() {
        let last = model.graph.output_layer(i).and_then(|l| l.layer.layer().output_activation());
        let last = last.filter(|a| [ActivationFn::Softmax, Activation::Sigmoid.into()].contains(a));
        if let (Some(loss), Some(last)) = (loss_of(losses, i).filter(|l| l.takes_logits()), last) {
            let (class, last) = (loss.class_name(), last.name());
            return refuse(format!(
                "{class} from logits, but the output `{name}` went through {last} already: use {class}::new(), or \
                 leave the activation out"
            ));
        }
    }
    Ok(())
}

/// What can be the losses of a model: one for all outputs, a list or a tuple with one for each, or `()` for none.
pub trait Losses {
    /// The losses.
    fn losses(self) -> Vec<Box<dyn Loss>>;
}

impl<L: Loss> Losses for L {
    fn losses(self) -> Vec<Box<dyn Loss>> {
        vec![Box::new(self)]
    }
}

impl Losses for Box<dyn Loss> {
    fn losses(self) -> Vec<Box<dyn Loss>> {
        vec![self]
    }
}

impl Losses for Vec<Box<dyn Loss>> {
    fn losses(self) -> Vec<Box<dyn Loss>> {
        self
    }
}

impl<L: Loss, const N: usize> Losses for [L; N] {
    fn losses(self) -> Vec<Box<dyn Loss>> {
        self.into_iter().map(|l| Box::new(l) as Box<dyn Loss>).collect()
    }
}

/// What can be the metrics of a model: one, a list or a tuple of them for the first output, a list of such lists for
/// the outputs, or `()` for none.
pub trait Metrics {
    /// The metrics of each output.
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>>;
}

impl<M: Metric> Metrics for M {
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>> {
        vec![vec![Box::new(self)]]
    }
}

impl<M: Metric, const N: usize> Metrics for [M; N] {
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>> {
        vec![self.into_iter().map(|m| Box::new(m) as Box<dyn Metric>).collect()]
    }
}

impl Metrics for Box<dyn Metric> {
    fn metrics(self) -> Vec<Vec<Box<dyn Metric>>> {
        vec![vec![self]]
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

/// Tuples, whose members may be of different types.
macro_rules! tuples {
    ($(($($member:ident)*))*) => {
        $(
            #[allow(non_snake_case)]
            impl<$($member: Into<Box<dyn Loss>>),*> Losses for ($($member,)*) {
                fn losses(self) -> Vec<Box<dyn Loss>> {
                    let ($($member,)*) = self;
                    vec![$($member.into()),*]
                }
            }

            #[allow(non_snake_case)]
            impl<$($member: Into<Box<dyn Metric>>),*> Metrics for ($($member,)*) {
                fn metrics(self) -> Vec<Vec<Box<dyn Metric>>> {
                    let ($($member,)*) = self;
                    vec![vec![$($member.into()),*]]
                }
            }
        )*
    };
}

tuples! { () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }
