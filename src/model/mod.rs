//! Models: the symbolic graph with the values of its weights, the summary, the model file.

mod build;
mod diagram;
mod graph;
mod incremental;
pub mod keras;
mod nested;
mod part;
mod sequential;
mod summary;
mod weights_file;

pub use diagram::Diagram;
pub(crate) use graph::unique;
pub use graph::{Entry, Graph, Mode, Step};
pub use incremental::Incremental;
pub(crate) use nested::Nested;
pub use sequential::Sequential;
pub use summary::Summary;
#[cfg(feature = "cli")]
pub(crate) use summary::grouped;

use crate::device::Device;
use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use crate::layers::{Inputs, Masks, Precision, Updates, WeightSpec};
use crate::tensor::{Tensor, Tensors, no_grad};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Layers between inputs and outputs, with the values of their weights.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let input = Input::new([784]);
/// let hidden = Dense::new(32).relu().call(&input)?;
/// let output = Dense::new(10).softmax().call(&hidden)?;
/// let model = Model::new(&input, &output)?;
/// assert_eq!(model.count_params(), 784 * 32 + 32 + 32 * 10 + 10);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) graph: Arc<Graph>,
    pub(crate) weights: Vec<Tensor>,
    pub(crate) name: String,
    pub(crate) sequential: bool,
    pub(crate) device: Device,
    pub(crate) precision: Precision,
    pub(crate) seed: i64,
    /// Whether the weights are what the initializers drew: a model around this one then draws its own.
    pub(crate) drawn: bool,
    /// What travels with the model in its file, by name.
    pub(crate) attachments: BTreeMap<String, Arc<[u8]>>,
}

impl Model {
    /// The model between these inputs and outputs, on the CPU, its weights drawn from seed 0.
    ///
    /// # Errors
    /// An output that does not depend on the inputs alone, an input that no output depends on, two layers of one name.
    pub fn new(inputs: impl Inputs, outputs: impl Inputs) -> Result<Model> {
        let mut model = Model::of(Graph::new(&inputs.symbols(), &outputs.symbols())?, Vec::new());
        model.draw()?;
        Ok(model)
    }

    /// The model of a graph with these weights, in the order of [`Graph::weights`]; nothing is drawn.
    ///
    /// # Errors
    /// Another number of weights than the graph asks for, another shape or dtype.
    pub fn from_graph(graph: Graph, weights: Vec<Tensor>) -> Result<Model> {
        if weights.len() != graph.weights.len() {
            let message = format!("expected {} weights, got {}", graph.weights.len(), weights.len());
            return Err(Error::shape("from_graph", message));
        }
        for ((path, spec), weight) in graph.weights.iter().zip(&weights) {
            if weight.shape() != spec.shape || weight.dtype() != spec.dtype {
                let (dtype, shape) = (weight.dtype(), weight.shape());
                let message = format!("expected {} {}, got {dtype} {shape}", spec.dtype, spec.shape);
                return Err(Error::shape(format!("weight `{path}`"), message));
            }
        }
        Ok(Model::of(graph, weights))
    }

    fn of(graph: Graph, weights: Vec<Tensor>) -> Model {
        Model {
            graph: Arc::new(graph),
            weights,
            name: "functional".into(),
            sequential: false,
            device: Device::Cpu,
            precision: Precision::F32,
            seed: 0,
            drawn: false,
            attachments: BTreeMap::new(),
        }
    }

    /// The same model under a name of one's own.
    pub fn named(mut self, name: &str) -> Model {
        self.name = name.to_string();
        self
    }

    /// The same model with all its weights drawn anew from `seed`, those too that were loaded or set before.
    ///
    /// The seed decides dropout and shuffling in training as well; [`Trainer::seed`](crate::train::Trainer::seed)
    /// decides these alone.
    pub fn seed(mut self, seed: u64) -> Result<Model> {
        self.seed = seed as i64;
        self.draw()?;
        Ok(self)
    }

    /// The same model, to be trained and run on `device`.
    pub fn on(mut self, device: Device) -> Model {
        self.device = device;
        self
    }

    /// The same model, to be trained and run in `precision`.
    pub fn precision(mut self, precision: Precision) -> Model {
        self.precision = precision;
        self
    }

    /// The same model with these bytes beside it, under a name: an entry more in its `.keras` file, which Keras passes over.
    /// Opened again, the model has them still.
    ///
    /// # Errors
    /// A name that the format needs, that is empty, or that holds a slash.
    pub fn attach(mut self, name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Model> {
        if name.is_empty() || name.contains(['/', '\\']) || keras::ENTRIES.contains(&name) {
            return Err(Error::Config(format!("`{name}` cannot be attached to a model: choose another name")));
        }
        self.attachments.insert(name.into(), bytes.into());
        Ok(self)
    }

    /// What [`Model::attach`] put under this name.
    pub fn attachment(&self, name: &str) -> Option<&[u8]> {
        self.attachments.get(name).map(|bytes| &**bytes)
    }

    fn draw(&mut self) -> Result<()> {
        let draw = |(i, (_, spec)): (usize, &(String, WeightSpec))| {
            let numbers = Philox::new(self.seed, -1, i as u32);
            Tensor::from_slice(&spec.initializer.values(&spec.shape, &numbers)?, spec.shape)?.cast(spec.dtype)
        };
        self.weights = self.graph.weights.iter().enumerate().map(draw).collect::<Result<_>>()?;
        self.drawn = true;
        Ok(())
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The weights' paths (`dense_1/kernel`), in order.
    pub fn weight_paths(&self) -> impl Iterator<Item = &str> {
        self.graph.weights.iter().map(|(path, _)| path.as_str())
    }

    /// A copy of the weight at `path`, on the CPU.
    ///
    /// # Errors
    /// A path that the model does not have.
    pub fn weight(&self, path: &str) -> Result<Tensor> {
        self.weights[self.place(path)?].to_device(&Device::Cpu)?.copy()
    }

    /// Sets the weight at `path`.
    ///
    /// # Errors
    /// A path that the model does not have, another shape or dtype.
    pub fn set_weight(&mut self, path: &str, value: &Tensor) -> Result<()> {
        let place = self.place(path)?;
        let weight = &mut self.weights[place];
        if value.meta() != weight.meta() {
            let (got, want) = (value.meta(), weight.meta());
            let message = format!("expected {} {}, got {} {}", want.dtype, want.shape, got.dtype, got.shape);
            return Err(Error::shape(format!("weight `{path}`"), message));
        }
        *weight = value.to_device(&weight.device())?.copy()?;
        self.drawn = false;
        Ok(())
    }

    fn place(&self, path: &str) -> Result<usize> {
        self.graph.weights.iter().position(|(p, _)| p == path).ok_or_else(|| {
            let known: Vec<_> = self.weight_paths().collect();
            Error::Config(format!("the model has no weight `{path}`; it has {}", known.join(", ")))
        })
    }

    /// How many numbers the weights hold.
    pub fn count_params(&self) -> usize {
        self.graph.weights.iter().map(|(_, w)| w.shape.size()).sum()
    }

    /// Layers, shapes, parameters, and bytes for parameters, optimizer state and activations.
    pub fn summary(&self) -> Summary<'_> {
        Summary::new(self)
    }

    /// The outputs for one batch of inputs, without dropout or gradients, on the model's device. Inputs of another
    /// dtype are converted to what the model's [`Input`](crate::layers::Input)s say.
    ///
    /// # Errors
    /// Inputs of another number or shape.
    pub fn call(&self, inputs: &[&Tensor]) -> Result<Tensors> {
        self.call_masked(inputs, &[]).map(|(outputs, _)| outputs)
    }

    /// [`Model::call`] with the masks of the inputs, none for those that have none, and of the outputs.
    ///
    /// # Errors
    /// As [`Model::call`]; a mask that is not `bool` or not of a shape that its input's begins with.
    pub fn call_masked(&self, inputs: &[&Tensor], masks: &[Option<Tensor>]) -> Result<(Tensors, Masks)> {
        let (outputs, masks, updates) = self.look(inputs, masks)?;
        match updates.values.first() {
            None => Ok((outputs, masks)),
            Some((place, _)) => {
                let path = &self.graph.weights[*place].0;
                let message = format!("a call changes `{path}`, since the layer is stateful");
                Err(Error::Config(format!("{message}: call the model by Model::advance, which keeps the new states")))
            }
        }
    }

    /// The outputs for one batch of inputs, as [`Model::call`], of a model with stateful layers: their states move on, so that the
    /// next batch begins with those that this one ends with. [`Model::reset_state`] begins anew.
    ///
    /// # Errors
    /// As [`Model::call`].
    pub fn advance(&mut self, inputs: &[&Tensor]) -> Result<Tensors> {
        let (outputs, _, updates) = self.look(inputs, &[])?;
        self.update(updates)?;
        Ok(outputs)
    }

    /// Sets the states of stateful layers to 0, as Keras's `reset_state` of each layer does.
    ///
    /// # Errors
    /// A device that fails.
    pub fn reset_state(&mut self) -> Result<()> {
        for (weight, (_, spec)) in self.weights.iter_mut().zip(&self.graph.weights).filter(|(_, (_, spec))| spec.state)
        {
            weight.assign(&Tensor::zeros(&weight.device(), spec.shape, spec.dtype)?)?;
        }
        Ok(())
    }

    /// Sets the weights that layers changed by themselves.
    pub(crate) fn update(&mut self, updates: Updates) -> Result<()> {
        updates.values.into_iter().try_for_each(|(place, value)| self.weights[place].assign(&value))
    }

    /// The outputs for one batch, their masks, and what the layers set.
    fn look(&self, inputs: &[&Tensor], masks: &[Option<Tensor>]) -> Result<(Tensors, Masks, Updates)> {
        let weights = self.weights_on_device()?;
        let inputs = inputs.iter().map(|t| t.to_device(&self.device)).collect::<Result<Vec<_>>>()?;
        let mask = |mask: &Option<Tensor>| mask.as_ref().map(|mask| mask.to_device(&self.device)).transpose();
        let masks = masks.iter().map(mask).collect::<Result<Masks>>()?;
        let (mode, mut updates) = (Mode { precision: self.precision, ..Mode::INFERENCE }, Updates::new());
        no_grad(|| {
            let inputs = self.graph.cast(&inputs.iter().collect::<Vec<_>>())?;
            let borrowed: Vec<&Tensor> = inputs.iter().collect();
            let (outputs, masks) = self.graph.run_masked(&weights, &borrowed, &masks, mode, &mut updates)?;
            Ok((outputs, masks, updates))
        })
    }

    /// What is likely not what was meant: layers that are given a mask and destroy it since they do not support masking, so
    /// that layers behind them, and the loss, see every step.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        warn(&self.graph, &[], "", &mut found);
        found
    }

    /// Moves the weights to the model's device.
    pub(crate) fn weights_on_device(&self) -> Result<Vec<Tensor>> {
        self.weights.iter().map(|w| w.to_device(&self.device)).collect()
    }
}

/// Says which layers destroy masks, `inputs` being which inputs of the graph have one.
fn warn(graph: &Graph, inputs: &[bool], path: &str, found: &mut Vec<String>) {
    let (masked, destroying) = graph.masked(inputs);
    for (at, step) in graph.steps.iter().enumerate() {
        let entry = &graph.layers[step.layer];
        let name = format!("{path}{}", entry.name);
        let held = entry.layer.layer().inner().into_iter().map(|inner| inner.layer());
        for nested in std::iter::once(&entry.layer).chain(held).filter_map(Nested::of) {
            let read: Vec<bool> = step.inputs.iter().map(|&i| masked[i]).collect();
            warn(&nested.graph, &read, &format!("{name}/"), found);
        }
        let warning = format!(
            "layer `{name}` ({}) is passed an input with a mask, does not support masking and destroys the mask: the layers \
             behind it will not see it",
            entry.layer.layer().class_name()
        );
        if destroying.contains(&at) && !found.contains(&warning) {
            found.push(warning);
        }
    }
}
