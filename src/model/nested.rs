//! A model used as a layer of another one.

use super::graph::Step;
use super::{Graph, Mode, Model};
use crate::device::cpu::philox::Philox;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::layers::{ActivationFn, Call, Config, Layer, LayerRef, Mask, Precision, Spec, WeightSpec};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use std::any::Any;
use std::sync::Arc;

impl Model {
    /// The model as a layer, to be called on symbols: every call of the handle and its clones shares the weights.
    ///
    /// Its weights join the outer model's under its name, `encoder/dense/kernel`. Weights that were set, loaded or
    /// trained keep their values; while all are as they were drawn, the outer model draws its own, so that two models
    /// built alike start apart inside of it. From then on inner and outer model are trained apart.
    ///
    /// ```
    /// use uncrumple::prelude::*;
    /// # fn main() -> Result<()> {
    /// let encoder = Sequential::new([8]).add(Dense::new(4).relu()).build()?.named("encoder").as_layer();
    /// let (left, right) = (Input::new([8]), Input::new([8]));
    /// let (a, b) = (encoder.call(&left)?, encoder.call(&right)?);
    /// let siamese = Model::new([&left, &right], [&a, &b])?;
    /// assert_eq!(siamese.weight_paths().collect::<Vec<_>>(), ["encoder/dense/kernel", "encoder/dense/bias"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_layer(&self) -> LayerRef {
        let mut graph = (*self.graph).clone();
        if !self.drawn {
            for ((_, spec), value) in graph.weights.iter_mut().zip(&self.weights) {
                spec.initializer = Box::new(Given(value.clone()));
            }
        }
        LayerRef::new(Nested { graph: Arc::new(graph), sequential: self.sequential }).named(&self.name)
    }
}

impl From<Model> for LayerRef {
    fn from(model: Model) -> LayerRef {
        model.as_layer()
    }
}

impl From<&Model> for LayerRef {
    fn from(model: &Model) -> LayerRef {
        model.as_layer()
    }
}

/// A graph as a layer.
#[derive(Clone, Debug)]
pub(crate) struct Nested {
    /// What it computes; its initializers hold the values that were given to it.
    pub graph: Arc<Graph>,
    /// Whether it is a chain, which Keras writes in another way.
    pub sequential: bool,
}

impl Nested {
    /// The nested model that a layer is, if it is one.
    pub fn of(layer: &LayerRef) -> Option<&Nested> {
        let any: &dyn Any = layer.layer();
        any.downcast_ref()
    }
}

impl Layer for Nested {
    fn class_name(&self) -> &'static str {
        if self.sequential { "Sequential" } else { "Functional" }
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let known = &self.graph.inputs;
        if inputs.len() != known.len() {
            return Err(Error::shape("call", format!("expected {} inputs, got {}", known.len(), inputs.len())));
        }
        for ((name, want), got) in known.iter().zip(inputs) {
            let fits = |(w, g): (&Option<usize>, &Option<usize>)| w.is_none() || w == g;
            // An open batch is filled by whatever comes, so that a fixed one inside may take it.
            let fits = want.rank() == got.rank()
                && want
                    .dims
                    .iter()
                    .zip(&got.dims)
                    .enumerate()
                    .all(|(i, pair)| fits(pair) || i == 0 && pair.1.is_none());
            if !fits {
                return Err(Error::shape("call", format!("expected input `{name}` to have shape {want}, got {got}")));
            }
        }
        self.graph.infer(inputs)
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        let weight = |(path, spec): &(String, WeightSpec)| WeightSpec { name: path.clone(), ..spec.clone() };
        Ok(self.graph.weights.iter().map(weight).collect())
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (precision, logits) = (Precision::of(call.compute_dtype()), u64::from(call.wants_logits()));
        let Call { training, generator, trainable, first_weight, masks, .. } = *call;
        let mode = Mode { training, precision, generator, logits, features: 0, trainable, first_weight };
        let (outputs, mut made) = self.graph.run_masked(call.weights, inputs, masks, mode, call.updates)?;
        if !(masks.is_empty() && made.is_empty()) {
            made.resize(outputs.len(), None);
            made.into_iter().enumerate().for_each(|(output, mask)| call.set_mask(output, mask));
        }
        Ok(outputs)
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn compute_mask(&self, output: usize, masked: &[bool]) -> Mask {
        let value = self.graph.outputs.get(output);
        if value.is_some_and(|&value| self.graph.masked(masked).0[value]) { Mask::Set } else { Mask::None }
    }

    fn is_samplewise(&self, training: bool) -> bool {
        let open = |spec: &Spec| spec.dims.first() == Some(&None);
        let alone = |step: &Step| step.called.activity().is_none() && step.called.layer().is_samplewise(training);
        self.graph.inputs.iter().all(|(_, spec)| open(spec)) && self.graph.steps.iter().all(alone)
    }

    /// The model file writes the layers themselves; they are no arguments.
    fn config(&self) -> Config {
        Config::new()
    }

    fn output_activation(&self) -> Option<ActivationFn> {
        // Only what nothing inside reads can be left without its activation.
        let [output] = self.graph.outputs[..] else { return None };
        let read = self.graph.steps.iter().any(|s| s.inputs.contains(&output));
        if read { None } else { self.graph.output_layer(0)?.layer.output_activation() }
    }
}

impl Graph {
    /// The specs of the outputs for inputs of these specs.
    fn infer(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let stored = || self.outputs.iter().filter_map(|&v| self.spec(v).cloned()).collect();
        if self.inputs.iter().map(|(_, spec)| spec).eq(inputs) {
            return Ok(stored());
        }
        let mut specs = inputs.to_vec();
        for step in &self.steps {
            let entry = &self.layers[step.layer];
            let read: Vec<Spec> = step.inputs.iter().map(|&i| specs[i].clone()).collect();
            let layer = step.called.layer();
            let outputs = layer.output_spec(&read).map_err(|e| e.in_layer(&entry.name))?;
            let wanted = layer.weights(&read).map_err(|e| e.in_layer(&entry.name))?;
            let have = &self.weights[entry.weights.clone()];
            if let Some(((path, h), w)) = have.iter().zip(&wanted).find(|((_, h), w)| h.shape != w.shape) {
                let message = format!("`{path}` has shape {}, these inputs need {}", h.shape, w.shape);
                return Err(Error::shape("call", message).in_layer(&entry.name));
            }
            specs.extend(outputs);
        }
        Ok(self.outputs.iter().map(|&v| specs[v].clone()).collect())
    }
}

/// Values that a weight starts with. No model file names it: the layers keep the initializers that made the values.
#[derive(Clone, Debug)]
struct Given(Tensor);

impl Initializer for Given {
    fn class_name(&self) -> &'static str {
        "Given"
    }

    fn config(&self) -> Config {
        Config::new()
    }

    fn values(&self, shape: &Shape, _: &Philox) -> Result<Vec<f32>> {
        if self.0.shape() != *shape {
            return Err(Error::shape("Given", format!("the values have shape {}, the weight {shape}", self.0.shape())));
        }
        self.0.cast(DType::F32)?.to_vec()
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(self.clone())
    }
}
