//! A layer over every step of a sequence.

use super::{ActivationFn, Call, Config, Inner, Layer, LayerRef, ReadLayer, Spec, WeightSpec, one};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use smallvec::SmallVec;

/// A layer, or a model, applied to every step alike: to `x[:, 0]`, `x[:, 1]`, …
/// ([Keras](https://keras.io/api/layers/recurrent_layers/time_distributed/)).
///
/// Input `(batch, steps, …)` of at least 3 axes, output `(batch, steps, …)` with the layer's of `(batch, …)` behind. Weights are
/// the layer's, `layer/kernel`. A mask `(batch, steps, …)` goes through as it is, and the layer gets each step's part of it. A
/// penalty on the layer's activations counts for nothing, as in Keras.
///
/// A layer of which each sample's output depends on that sample alone ([`Layer::is_samplewise`]) is called once, with the steps as
/// so many samples more; another one, such as batch normalisation in training, step by step.
///
/// ```
/// use uncrumple::prelude::*;
/// # fn main() -> Result<()> {
/// let frames = Input::new([10, 32, 32, 3]);
/// let y = TimeDistributed::new(Conv2D::new(8, 3)).call(&frames)?;
/// assert_eq!(y.spec().to_string(), "(None, 10, 30, 30, 8)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TimeDistributed {
    layer: Inner,
}

impl TimeDistributed {
    /// The layer, or model, at every step.
    pub fn new(layer: impl Into<LayerRef>) -> TimeDistributed {
        TimeDistributed { layer: Inner::new("layer", layer) }
    }

    /// The layer that a Keras config describes, and `read` the layer in it.
    pub(super) fn from_config(config: &Config, read: &mut ReadLayer) -> Result<TimeDistributed> {
        Ok(TimeDistributed { layer: Inner::read(config, "layer", read)? })
    }

    /// What the layer gets of a step.
    fn step(inputs: &[Spec]) -> Result<Spec> {
        let x = one(inputs)?;
        if x.rank() < 3 {
            return Err(Error::Input(format!("expected at least 3 axes (batch, steps, …), got shape {x}")));
        }
        let mut step = x.clone();
        step.dims.remove(1);
        Ok(step)
    }
}

/// All steps as samples.
fn folded(x: &Tensor) -> Result<Tensor> {
    let shape = x.shape();
    x.reshape(shape.without(0).with(0, shape[0] * shape[1])?)
}

impl Layer for TimeDistributed {
    fn class_name(&self) -> &'static str {
        "TimeDistributed"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let step = TimeDistributed::step(inputs)?;
        let mut outputs = self.layer.output_spec(&[step])?;
        match &mut outputs[..] {
            [y] if y.rank() > 0 => y.dims.insert(1, inputs[0].dims[1]),
            _ => return Err(Error::Input("expected a layer with one output of a sample each".into())),
        }
        Ok(outputs)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        self.layer.weights(&[TimeDistributed::step(inputs)?])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (x, mask) = (inputs[0], call.mask(0).cloned());
        let (shape, weights) = (x.shape(), 0..call.weights.len());
        let (batch, steps) = (shape[0], shape[1]);
        if let Some(mask) = mask.as_ref().filter(|mask| !mask.shape().starts_with(&[batch, steps])) {
            let message = format!("expected a mask that begins with ({batch}, {steps}) as the input does");
            return Err(Error::Input(format!("{message}, got {}", mask.shape())));
        }
        let one = |outputs: Tensors| outputs.into_iter().next().ok_or_else(|| Error::Internal("no output".into()));
        if steps == 0 || self.layer.layer().layer().is_samplewise(call.training()) {
            let mask = mask.as_ref().map(folded).transpose()?;
            let y = one(self.layer.forward(call, weights, &[&folded(x)?], &[mask])?.0)?;
            let extents: SmallVec<[usize; 8]> =
                [batch, steps].into_iter().chain(y.shape()[1..].iter().copied()).collect();
            return Ok(Tensors::from_elem(y.reshape(Shape::new(&extents)?)?, 1));
        }
        let at = |x: &Tensor, step: usize| x.slice(1, step..step + 1)?.reshape(x.shape().without(1));
        let step = |step: usize| -> Result<Tensor> {
            let mask = mask.as_ref().map(|mask| at(mask, step)).transpose()?;
            let y = one(self.layer.forward(call, weights.clone(), &[&at(x, step)?], &[mask])?.0)?;
            let extents: SmallVec<[usize; 8]> = [batch, 1].into_iter().chain(y.shape()[1..].iter().copied()).collect();
            y.reshape(Shape::new(&extents)?)
        };
        let outputs = (0..steps).map(step).collect::<Result<SmallVec<[Tensor; 8]>>>()?;
        let y = Tensor::concatenate(&outputs.iter().collect::<SmallVec<[&Tensor; 8]>>(), 1)?;
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        self.layer.write(&mut config);
        config
    }

    fn output_activation(&self) -> Option<ActivationFn> {
        self.layer.layer().output_activation()
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn inner(&self) -> Vec<&Inner> {
        vec![&self.layer]
    }

    fn is_samplewise(&self, training: bool) -> bool {
        self.layer.layer().layer().is_samplewise(training)
    }
}
