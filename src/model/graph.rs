//! The graph of a model: which layers are called, in which order, on what.

use super::incremental::Calls;
use crate::device::cuda;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::{
    ActivationFn, Call, Head, LayerRef, Masks, Precision, SetMasks, Spec, Updates, WeightSpec, check_mask,
    in_precision, output_masks,
};
use crate::ops::Generator;
use crate::profile;
use crate::tensor::{Tensor, Tensors};
use smallvec::SmallVec;
use std::ops::Range;

/// The circumstances under which a graph runs.
#[derive(Clone, Copy)]
pub struct Mode<'a> {
    /// Whether the run is part of training.
    pub training: bool,
    /// What layers compute in.
    pub precision: Precision,
    /// The random numbers of the step.
    pub generator: Option<&'a Generator>,
    /// Outputs that are wanted before their last activation, as bits.
    pub logits: u64,
    /// Outputs of which what their [head](crate::layers::Layer::head) multiplies is wanted instead, as bits.
    pub features: u64,
    /// Whether the models around it, if it is nested, are trainable.
    pub trainable: bool,
    /// The place of its first weight among those of the outermost model.
    pub first_weight: usize,
}

impl Mode<'_> {
    /// Inference in f32.
    pub const INFERENCE: Mode<'static> = Mode {
        training: false,
        precision: Precision::F32,
        generator: None,
        logits: 0,
        features: 0,
        trainable: true,
        first_weight: 0,
    };
}

/// A layer of a graph.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The layer.
    pub layer: LayerRef,
    /// Its name in this graph.
    pub name: String,
    /// Its weights, as places in the graph's list.
    pub weights: Range<usize>,
    /// What it was first called on.
    pub inputs: Vec<Spec>,
}

/// One call of a layer; values are numbered places.
#[derive(Clone, Debug)]
pub struct Step {
    /// The layer, as a place in the graph's list.
    pub layer: usize,
    /// The same as it was told how it is called here.
    pub called: LayerRef,
    /// The values it reads.
    pub inputs: SmallVec<[usize; 2]>,
    /// The values it writes.
    pub outputs: Range<usize>,
    /// Their specs.
    pub specs: Vec<Spec>,
    /// Values that nothing reads after this call.
    pub(super) last_uses: SmallVec<[usize; 2]>,
    /// The output of the graph that this call makes, if it makes one and nothing else reads it.
    pub(super) output: Option<usize>,
}

/// Layers, their calls in order, and the weights they ask for. It holds no values.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Names and specs of the inputs; they are the first values.
    pub inputs: Vec<(String, Spec)>,
    /// The values that are returned.
    pub outputs: Vec<usize>,
    /// The layers, in the order of their first calls.
    pub layers: Vec<Entry>,
    /// The calls, in the order in which they run.
    pub steps: Vec<Step>,
    /// The weights and their paths (`dense_1/kernel`), with a layer's own `trainable` applied.
    pub weights: Vec<(String, WeightSpec)>,
    pub(super) values: usize,
}

impl Graph {
    /// The spec of a value.
    pub fn spec(&self, value: usize) -> Option<&Spec> {
        match self.inputs.get(value) {
            Some((_, spec)) => Some(spec),
            None => self.steps.iter().find_map(|s| s.specs.get(value.checked_sub(s.outputs.start)?)),
        }
    }

    /// The name of the layer that makes a value, or of the input that it is.
    pub fn value_name(&self, value: usize) -> &str {
        match self.inputs.get(value) {
            Some((name, _)) => name,
            None => self.steps.iter().find(|s| s.outputs.contains(&value)).map_or("", |s| &self.layers[s.layer].name),
        }
    }

    /// The outputs' names: those of the layers that make them. Where several have one name, `_1`, `_2`, … is added.
    pub fn output_names(&self) -> Vec<String> {
        unique(self.outputs.iter().map(|&value| self.value_name(value).to_string()))
    }

    /// The layer that makes an output of the graph.
    pub fn output_layer(&self, output: usize) -> Option<&Entry> {
        let value = *self.outputs.get(output)?;
        self.steps.iter().find(|s| s.outputs.contains(&value)).map(|s| &self.layers[s.layer])
    }

    /// The activation that an output went through last, if [`Mode::logits`] can ask for what came before it: not where
    /// another layer reads the output too.
    pub fn output_activation(&self, output: usize) -> Option<ActivationFn> {
        let step = self.steps.iter().find(|s| s.output == Some(output))?;
        step.called.output_activation()
    }

    /// The call of which an output is the [head](crate::layers::Layer::head), if [`Mode::features`] can ask for what it
    /// multiplies.
    pub fn output_head(&self, output: usize) -> Option<(&Step, Head)> {
        let step = self.steps.iter().find(|s| s.output == Some(output))?;
        let head = step.called.layer().head().filter(|_| step.called.activity().is_none())?;
        Some((step, head))
    }

    /// The inputs in the dtypes that the graph asks for, converted where they have others, as Keras does it.
    pub(crate) fn cast(&self, inputs: &[&Tensor]) -> Result<SmallVec<[Tensor; 4]>> {
        let wanted = self.inputs.iter().map(|(_, spec)| Some(spec.dtype)).chain(std::iter::repeat(None));
        let cast = |(x, dtype): (&&Tensor, Option<DType>)| match dtype {
            Some(dtype) if dtype != x.dtype() => x.cast(dtype),
            _ => Ok((*x).clone()),
        };
        inputs.iter().zip(wanted).map(cast).collect()
    }

    /// The outputs for these inputs and weights; `updates` receives what layers set by themselves.
    ///
    /// Of floating-point inputs the precision alone decides what layers compute in; any other dtype must be the
    /// input's.
    ///
    /// # Errors
    /// Inputs of another number, shape or dtype, and whatever a layer's call answers, with the layer's name.
    pub fn run(&self, weights: &[Tensor], inputs: &[&Tensor], mode: Mode, updates: &mut Updates) -> Result<Tensors> {
        self.run_masked(weights, inputs, &[], mode, updates).map(|(outputs, _)| outputs)
    }

    /// The same with the masks of the inputs, none for those that have none, and of the outputs.
    ///
    /// # Errors
    /// As [`Graph::run`]; a mask that is not `bool` or not of a shape that its input's begins with.
    pub fn run_masked(
        &self,
        weights: &[Tensor],
        inputs: &[&Tensor],
        masks: &[Option<Tensor>],
        mode: Mode,
        updates: &mut Updates,
    ) -> Result<(Tensors, Masks)> {
        self.run_with(weights, inputs, masks, mode, updates, |_, outputs| Ok(outputs))
    }

    /// The same, where `seen` is handed what each call gives, with its place in [`Graph::steps`], and returns what the others
    /// read in its place.
    pub(crate) fn run_with(
        &self,
        weights: &[Tensor],
        inputs: &[&Tensor],
        masks: &[Option<Tensor>],
        mode: Mode,
        updates: &mut Updates,
        seen: impl FnMut(usize, Tensors) -> Result<Tensors>,
    ) -> Result<(Tensors, Masks)> {
        self.run_calls(weights, inputs, masks, mode, updates, None, seen)
    }

    /// The same where an input comes a few steps at a time, with what `calls` keep of those before; of the outputs the last of
    /// these steps is wanted then.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn run_calls(
        &self,
        weights: &[Tensor],
        inputs: &[&Tensor],
        masks: &[Option<Tensor>],
        mode: Mode,
        updates: &mut Updates,
        calls: Option<&Calls>,
        mut seen: impl FnMut(usize, Tensors) -> Result<Tensors>,
    ) -> Result<(Tensors, Masks)> {
        self.check_inputs(inputs, masks, calls.is_some())?;
        // Few values are needed at a time, however long the graph is: each with its number.
        let mut live: SmallVec<[(usize, Tensor); 16]> = inputs.iter().map(|x| (*x).clone()).enumerate().collect();
        // Most have no mask.
        let given = masks.iter().enumerate().filter_map(|(i, mask)| Some((i, mask.clone()?)));
        let mut masks: SmallVec<[(usize, Tensor); 2]> = given.collect();
        for (at, step) in self.steps.iter().enumerate() {
            let entry = &self.layers[step.layer];
            if let Some(made) = calls.and_then(|calls| calls.made(at)) {
                for (i, (output, mask)) in step.outputs.clone().zip(made) {
                    masks.extend(mask.map(|mask| (i, mask)));
                    live.push((i, output));
                }
                continue;
            }
            let _range = cuda::Range::open(&entry.name);
            let _span = profile::layer(&entry.name);
            let layer = step.called.layer();
            let compute = step.called.compute_dtype(mode.precision);
            let mut read: SmallVec<[Tensor; 2]> = SmallVec::new();
            for &i in &step.inputs {
                read.push(in_precision(value(&live, i)?, compute)?);
            }
            let given = masks_of(&masks, &step.inputs);
            let steps = calls.and_then(|calls| calls.steps(at));
            if steps.is_some() && step.output.is_some() && layer.head().is_some() {
                // Only what is looked at is worth a product with many columns.
                read[0] = last_step(&read[0])?;
            }
            let wanted = |outputs: u64| step.output.is_some_and(|o| o < 64 && outputs >> o & 1 == 1);
            let mut call = Call {
                weights: &weights[entry.weights.clone()],
                first_weight: mode.first_weight + entry.weights.start,
                training: mode.training,
                trainable: mode.trainable && entry.layer.is_trainable(),
                logits: wanted(mode.logits),
                compute,
                generator: mode.generator,
                updates,
                masks: &given,
                set: SetMasks::new(),
                steps,
            };
            let borrowed: SmallVec<[&Tensor; 2]> = read.iter().collect();
            let outputs = match wanted(mode.features) {
                true => Tensors::from_elem(read[0].clone(), 1),
                false => layer.forward(&mut call, &borrowed).map_err(|e| e.in_layer(&entry.name))?,
            };
            let set = call.set;
            if let Some(regularizer) = entry.layer.activity() {
                outputs
                    .iter()
                    .try_for_each(|y| updates.penalize(regularizer, y))
                    .map_err(|e| e.in_layer(&entry.name))?;
            }
            let made = output_masks(layer, &given, set, outputs.len());
            if let Some(calls) = calls {
                let mask = |i: usize| made.get(i).cloned().flatten();
                calls.keep(at, outputs.iter().cloned().enumerate().map(|(i, output)| (output, mask(i))));
            }
            masks.extend(step.outputs.clone().zip(made).filter_map(|(i, mask)| Some((i, mask?))));
            masks.retain(|(i, _)| !step.last_uses.contains(i));
            live.extend(step.outputs.clone().zip(seen(at, outputs)?));
            live.retain(|(i, _)| !step.last_uses.contains(i));
        }
        let output = |&i: &usize| match calls {
            Some(_) => last_step(value(&live, i)?),
            None => value(&live, i).cloned(),
        };
        let outputs = self.outputs.iter().map(output).collect::<Result<_>>()?;
        Ok((outputs, masks_of(&masks, &self.outputs)))
    }

    /// Which values have a mask, `inputs` being which inputs have one, and the calls that destroy the masks of what they read,
    /// as places in [`Graph::steps`].
    pub(crate) fn masked(&self, inputs: &[bool]) -> (SmallVec<[bool; 64]>, SmallVec<[usize; 4]>) {
        let mut masked: SmallVec<[bool; 64]> = inputs.iter().copied().collect();
        masked.resize(self.inputs.len(), false);
        let mut destroying = SmallVec::new();
        for (at, step) in self.steps.iter().enumerate() {
            let layer = &step.called;
            let read: SmallVec<[bool; 4]> = step.inputs.iter().map(|&i| masked[i]).collect();
            masked.extend((0..step.outputs.len()).map(|output| layer.gives_mask(output, &read)));
            if read.contains(&true) && !layer.layer().supports_masking() {
                destroying.push(at);
            }
        }
        (masked, destroying)
    }

    /// Checks what is given; of a sequence that comes a few steps at a time there are fewer than the graph may ask for.
    fn check_inputs(&self, inputs: &[&Tensor], masks: &[Option<Tensor>], some_steps: bool) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::shape("model", format!("expected {} inputs, got {}", self.inputs.len(), inputs.len())));
        }
        for ((name, spec), tensor) in self.inputs.iter().zip(inputs) {
            let shape = tensor.shape();
            let fits =
                shape.rank() == spec.rank()
                    && spec.dims.iter().zip(shape.iter()).enumerate().all(|(axis, (want, got))| {
                        want.is_none_or(|w| w == *got || some_steps && axis == 1 && w >= *got)
                    });
            if !fits {
                return Err(Error::shape(
                    "model",
                    format!("expected input `{name}` to have shape {spec}, got {shape}"),
                ));
            }
            let (want, got) = (spec.dtype, tensor.dtype());
            if want != got && !(want.is_float() && got.is_float()) {
                return Err(Error::dtype("model", format!("expected input `{name}` to be {want}, got {got}")));
            }
        }
        let mut masked = inputs.iter().zip(masks).filter_map(|(x, mask)| Some((x, mask.as_ref()?)));
        masked.try_for_each(|(x, mask)| check_mask(mask, &x.shape()))
    }
}

/// The masks of these values; an empty list where no value has one.
fn masks_of(masks: &[(usize, Tensor)], values: &[usize]) -> Masks {
    if masks.is_empty() {
        return Masks::new();
    }
    values.iter().map(|i| masks.iter().find(|(at, _)| at == i).map(|(_, mask)| mask.clone())).collect()
}

/// The last step of `(batch, steps, …)`.
fn last_step(x: &Tensor) -> Result<Tensor> {
    match x.shape().get(1) {
        Some(&steps) if steps > 1 => x.slice(1, steps - 1..steps),
        _ => Ok(x.clone()),
    }
}

/// The value of this number among those that are needed yet.
fn value(live: &[(usize, Tensor)], i: usize) -> Result<&Tensor> {
    let found = live.iter().find(|(number, _)| *number == i);
    found.map(|(_, tensor)| tensor).ok_or_else(|| Error::Internal(format!("value {i} was let go too early")))
}

/// The names, each with `_1`, `_2`, … added where it is there already.
pub(crate) fn unique(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for name in names {
        let numbered = (1..).map(|i| format!("{name}_{i}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|n| !found.contains(n));
        found.extend(free);
    }
    found
}
