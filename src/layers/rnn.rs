//! A recurrence of any cell, step by step.

use super::stacked_rnn_cells::{StackedRNNCells, states_of};
use super::traversal::{Traversal, Traverse, at, first, traversal_setters, traverses};
use super::{Call, Config, Inner, Layer, LayerRef, ReadLayer, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use smallvec::SmallVec;
use std::any::Any;
use std::sync::Arc;

/// A recurrence of any cell ([Keras](https://keras.io/api/layers/recurrent_layers/rnn/)).
///
/// Input `(batch, steps, …)`, and behind it the states before the first step if they are not to be 0; output that of the cell
/// after the last step, with `return_sequences` those of all steps, `(batch, steps, …)`. Masks are those of
/// [`Recurrent`](super::Recurrent). Weights: the cell's, `cell/…`. What is random is the same at all steps of a sequence, so that
/// dropout drops the same units.
///
/// This is the general way and the slow one: each step is the cell's call, with ops of its own. [`LSTM`](super::LSTM),
/// [`GRU`](super::GRU) and [`SimpleRNN`](super::SimpleRNN) go through a sequence in one piece.
///
/// A cell is a layer with a [`state_spec`](Layer::state_spec): it is called on a step and the states before it, and gives its
/// output and the states after it. One of one's own:
///
/// ```
/// use uncrumple::layers::{self, Call, Config, Layer, Read, WeightSpec, object};
/// use uncrumple::prelude::*;
/// use uncrumple::{Shape, tensor::Tensors};
///
/// /// h ← tanh(x · kernel + decay · h): each unit remembers by itself.
/// #[derive(Debug)]
/// struct LeakyCell {
///     units: usize,
/// }
///
/// impl LeakyCell {
///     fn state(&self, x: &Spec) -> Spec {
///         Spec { dims: vec![x.dims[0], Some(self.units)], dtype: x.dtype }
///     }
/// }
///
/// impl Layer for LeakyCell {
///     fn class_name(&self) -> &'static str {
///         "LeakyCell"
///     }
///
///     fn state_spec(&self, x: &Spec) -> Option<Vec<Spec>> {
///         Some(vec![self.state(x)])
///     }
///
///     fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
///         Ok(vec![self.state(&inputs[0]); 2]) // the output and the next state
///     }
///
///     fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
///         let kernel = Shape::new(&[inputs[0].known(-1)?, self.units])?;
///         let decay = Shape::new(&[self.units])?;
///         Ok(vec![
///             WeightSpec::new("kernel", kernel, Box::new(GlorotUniform)),
///             WeightSpec::new("decay", decay, Box::new(Ones)),
///         ])
///     }
///
///     fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
///         let [x, h] = inputs else { return Err(Error::Config("a cell of one state".into())) };
///         let h = x.matmul(&call.weight(0)?)?.add(&h.mul(&call.weight(1)?)?)?.tanh()?;
///         Ok(Tensors::from_elem(h, 2))
///     }
///
///     fn config(&self) -> Config {
///         object(serde_json::json!({ "units": self.units }))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// // So that model files can name it.
/// layers::register("Custom>LeakyCell", |config| Ok(LeakyCell { units: config.size("units")? }))?;
/// let model = Sequential::new([120, 14]).add(RNN::new(LeakyCell { units: 32 })).add(Dense::new(1)).build()?;
/// # let folder = tempfile::tempdir().map_err(|e| Error::Config(e.to_string()))?;
/// # let path = folder.path().join("leaky.keras");
/// # model.save(&path)?;
/// # let x = Tensor::ones(&Device::Cpu, [2, 120, 14], DType::F32)?;
/// # assert_eq!(Model::load(&path)?.predict(&x)?.to_vec::<f32>()?, model.predict(&x)?.to_vec::<f32>()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RNN {
    cell: Inner,
    traversal: Traversal,
}

impl RNN {
    /// A recurrence of this cell.
    pub fn new(cell: impl Into<LayerRef>) -> RNN {
        RNN { cell: Inner::new("cell", cell), traversal: Traversal::default() }
    }

    traversal_setters!();

    /// The layer that a Keras config describes, and `read` its cell.
    pub(super) fn from_config(config: &Config, read: &mut ReadLayer) -> Result<RNN> {
        Ok(RNN { cell: Inner::read(config, "cell", read)?, traversal: Traversal::read(config)? })
    }

    /// How many states each of several cells has, one upon the other.
    pub(crate) fn state_groups(&self, x: &Spec) -> Option<Vec<usize>> {
        let mut step = x.clone();
        step.dims.remove(1);
        let held: &dyn Any = self.cell.layer().layer();
        held.downcast_ref::<StackedRNNCells>()?.groups(&step).ok()
    }

    /// What the cell is called on: a step, and its states.
    fn step(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = first(inputs)?;
        if x.rank() < 3 {
            return Err(Error::Input(format!("expected at least 3 axes (batch, steps, …), got shape {x}")));
        }
        let mut step = x.clone();
        step.dims.remove(1);
        let states = states_of(&self.cell, &step)?;
        Ok(std::iter::once(step).chain(states).collect())
    }
}

impl Traverse for RNN {
    fn traversal(&self) -> &Traversal {
        &self.traversal
    }

    fn traversed(&self, traversal: Traversal) -> Arc<dyn Layer> {
        Arc::new(RNN { traversal, ..self.clone() })
    }
}

impl Layer for RNN {
    fn class_name(&self) -> &'static str {
        "RNN"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let step = self.step(inputs)?;
        let outputs = self.cell.output_spec(&step)?;
        if outputs.len() != step.len() || outputs[1..] != step[1..] {
            let (states, outputs) = (step.len() - 1, outputs.len());
            let message = format!("expected a cell that gives an output and its {states} states after the step");
            return Err(Error::Config(format!("{message}, got {outputs} outputs or other shapes")));
        }
        self.traversal.outputs(inputs, outputs[0].clone(), step[1..].to_vec())
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let step = self.step(inputs)?;
        Ok(self.cell.weights(&step)?.into_iter().chain(self.traversal.kept(&step[1..])?).collect())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let Some((&x, given)) = inputs.split_first() else { return Err(Error::Internal("no input".into())) };
        let count = self.cell.count();
        let dims = x.shape().without(1).iter().map(|&n| Some(n)).collect();
        let step = Spec { dims, dtype: x.dtype() };
        let held: &dyn Any = self.cell.layer().layer();
        // As in Keras: the state that the output is.
        let groups = held.downcast_ref::<StackedRNNCells>().map(|cells| cells.groups(&step)).transpose()?;
        let shown = groups.map_or(0, |groups| groups[..groups.len() - 1].iter().sum());
        let states = states_of(&self.cell, &step)?;
        by_steps(&self.traversal, call, (x, given), (count, shown), &states, |call, inputs| {
            self.cell.call(call, 0..count, inputs, &[]).map(|(outputs, _)| outputs)
        })
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        self.traversal.write(&mut config);
        self.cell.write(&mut config);
        config
    }

    traverses!();

    fn inner(&self) -> Vec<&Inner> {
        vec![&self.cell]
    }

    fn is_samplewise(&self, training: bool) -> bool {
        !self.traversal.stateful && self.cell.layer().layer().is_samplewise(training)
    }
}

/// A sequence step by step: `cell` gives the output and the states of one. It has the first `count` weights of the layer, and
/// the output is the state `shown`.
pub(super) fn by_steps(
    traversal: &Traversal,
    call: &mut Call,
    (x, given): (&Tensor, &[&Tensor]),
    (count, shown): (usize, usize),
    specs: &[Spec],
    mut cell: impl FnMut(&mut Call, &[&Tensor]) -> Result<Tensors>,
) -> Result<Tensors> {
    let shape = x.shape();
    let mut states = traversal.initial(call, given, count)?;
    if states.is_empty() {
        let zeros = |state: &Spec| {
            let shape = state
                .shape(shape[0])
                .ok_or_else(|| Error::Input(format!("expected states whose shape is known, got {state}")))?;
            Tensor::zeros(&x.device(), shape, x.dtype())
        };
        states = specs.iter().map(zeros).collect::<Result<_>>()?;
    }
    let (mask, generator) = (call.mask(0).filter(|_| given.is_empty()).cloned(), call.generator);
    // Each step draws what the first one draws.
    let stream = generator.map(|generator| generator.position());
    let (y, states) = traversal.go(shape[1], mask.as_ref(), states, shown, |time, states| {
        stream.zip(generator).iter().for_each(|(stream, generator)| generator.go_to(*stream));
        let x = at(x, time)?;
        let inputs: SmallVec<[&Tensor; 4]> = std::iter::once(&x).chain(states).collect();
        let mut outputs = cell(call, &inputs)?.into_iter();
        let y = outputs.next().ok_or_else(|| Error::Internal("a cell without an output".into()))?;
        Ok((y, outputs.collect()))
    })?;
    traversal.keep(call, count, &states)?;
    Ok(std::iter::once(y).chain(states.into_iter().filter(|_| traversal.return_state)).collect())
}
