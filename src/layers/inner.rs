//! A layer inside a layer, which wrappers such as [`TimeDistributed`](super::TimeDistributed) are made of.

use super::{Call, Config, LayerRef, Masks, Precision, Read, SetMasks, Spec, WeightSpec};
use super::{in_precision, output_masks, snake_case};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::Value;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

/// How the layers are read that a config holds; who reads a whole model knows the models among them too.
pub type ReadLayer<'a> = dyn FnMut(&Value) -> Result<LayerRef> + 'a;

/// A layer that another one holds, under Keras's attribute for it: the `layer` of a
/// [`TimeDistributed`](super::TimeDistributed).
///
/// Its weights are a part of those of the layer around it, under their paths behind the attribute (`layer/kernel`), which is also
/// where Keras's files have them. Random numbers, updates and `trainable` go through; it computes in its own precision, else in
/// that of the layer around it. A layer that holds others lists them by [`Layer::inner`](super::Layer::inner).
#[derive(Clone, Debug)]
pub struct Inner {
    attribute: Cow<'static, str>,
    argument: &'static str,
    layer: LayerRef,
    /// How many weights it has, once somebody asked for them.
    weights: OnceLock<usize>,
}

impl Inner {
    /// The layer under an attribute of the one around it.
    pub fn new(attribute: &'static str, layer: impl Into<LayerRef>) -> Inner {
        Inner { attribute: attribute.into(), argument: attribute, layer: layer.into(), weights: OnceLock::new() }
    }

    /// The same, where the config has it under another name than the attribute's.
    pub fn argument(self, argument: &'static str) -> Inner {
        Inner { argument, ..self }
    }

    /// Layers of a list, each under the list's attribute and its class in snake case: `cells/lstm_cell`, `cells/lstm_cell_1`.
    pub fn list(attribute: &'static str, layers: impl IntoIterator<Item = LayerRef>) -> Vec<Inner> {
        let mut seen: Vec<&'static str> = Vec::new();
        let inner = |layer: LayerRef| {
            let class = layer.layer().class_name();
            let number = seen.iter().filter(|c| **c == class).count();
            seen.push(class);
            let number = if number == 0 { String::new() } else { format!("_{number}") };
            let inside = format!("{attribute}/{}{number}", snake_case(class));
            Inner { attribute: inside.into(), ..Inner::new(attribute, layer) }
        };
        layers.into_iter().map(inner).collect()
    }

    /// The layer that a config has under `attribute`.
    ///
    /// # Errors
    /// No such argument, and what `read` answers.
    pub fn read(config: &Config, attribute: &'static str, read: &mut ReadLayer) -> Result<Inner> {
        let value = config.find(attribute);
        let value = value.ok_or_else(|| Error::Config(format!("argument `{attribute}` is missing")))?;
        Ok(Inner::new(attribute, read(value)?))
    }

    /// Adds it to the config of the layer around it.
    pub fn write(&self, config: &mut Config) {
        let own = self.layer.full_config(&self.name(), self.layer.is_trainable(), Precision::F32);
        self.put(config, super::serialized(self.layer.layer().class_name(), own));
    }

    /// Puts its serialized form where the config has it.
    pub(crate) fn put(&self, config: &mut Config, serialized: Value) {
        if self.attribute.contains('/') {
            let list = config.entry(self.argument).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().into_iter().for_each(|list| list.push(serialized.clone()));
        } else {
            config.insert(self.argument.into(), serialized);
        }
    }

    /// Where the config has it.
    pub(crate) fn argument_name(&self) -> &'static str {
        self.argument
    }

    /// Keras's name of where it is held.
    pub fn attribute(&self) -> &str {
        &self.attribute
    }

    /// How many weights it has, once [`Inner::weights`] was asked for them.
    pub fn count(&self) -> usize {
        self.weights.get().copied().unwrap_or(0)
    }

    /// The layer.
    pub fn layer(&self) -> &LayerRef {
        &self.layer
    }

    /// The name that the user gave, else the class in snake case.
    pub fn name(&self) -> String {
        self.layer.base_name()
    }

    /// The outputs for these inputs.
    ///
    /// # Errors
    /// Inputs that it cannot take, with its name.
    pub fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let checked = self.layer.activity().map_or(Ok(()), |r| r.check());
        checked.and_then(|()| self.layer.layer().output_spec(inputs)).map_err(|e| e.in_layer(&self.name()))
    }

    /// The weights for these inputs, named as those of the layer around it.
    ///
    /// # Errors
    /// As [`Inner::output_spec`].
    pub fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let weights = self.layer.layer().weights(inputs).map_err(|e| e.in_layer(&self.name()))?;
        self.weights.get_or_init(|| weights.len());
        let inside = |w: WeightSpec| WeightSpec {
            name: format!("{}/{}", self.attribute, w.name),
            trainable: w.trainable && self.layer.is_trainable(),
            ..w
        };
        Ok(weights.into_iter().map(inside).collect())
    }

    /// Outputs and their masks for these inputs and theirs, as Keras's `layer.call`; `weights` are its own among those of the
    /// layer around it, whose call `call` is.
    ///
    /// # Errors
    /// What its call answers, with its name.
    pub fn forward(
        &self,
        call: &mut Call,
        weights: Range<usize>,
        inputs: &[&Tensor],
        masks: &[Option<Tensor>],
    ) -> Result<(Tensors, Masks)> {
        let layer = self.layer.layer();
        let missing = || Error::Internal(format!("layer `{}` has no weights {weights:?}", self.name()));
        let compute = self.layer.compute_dtype(Precision::of(call.compute));
        let inputs = inputs.iter().map(|x| in_precision(x, compute)).collect::<Result<SmallVec<[Tensor; 2]>>>()?;
        let borrowed: SmallVec<[&Tensor; 2]> = inputs.iter().collect();
        let mut own = Call {
            weights: call.weights.get(weights.clone()).ok_or_else(missing)?,
            first_weight: call.first_weight + weights.start,
            training: call.training,
            trainable: call.trainable && self.layer.is_trainable(),
            logits: call.logits,
            compute,
            generator: call.generator,
            updates: &mut *call.updates,
            masks,
            set: SetMasks::new(),
            steps: None,
        };
        let outputs = layer.forward(&mut own, &borrowed).map_err(|e| e.in_layer(&self.name()))?;
        let set = own.set;
        let masks = output_masks(layer, masks, set, outputs.len());
        Ok((outputs, masks))
    }

    /// The same with the penalty on its outputs, if it has one, as where Keras calls the layer itself.
    ///
    /// # Errors
    /// As [`Inner::forward`].
    pub fn call(
        &self,
        call: &mut Call,
        weights: Range<usize>,
        inputs: &[&Tensor],
        masks: &[Option<Tensor>],
    ) -> Result<(Tensors, Masks)> {
        let (outputs, masks) = self.forward(call, weights, inputs, masks)?;
        if let Some(regularizer) = self.layer.activity() {
            let penalized = outputs.iter().try_for_each(|y| call.penalize(regularizer, y));
            penalized.map_err(|e| e.in_layer(&self.name()))?;
        }
        Ok((outputs, masks))
    }
}
