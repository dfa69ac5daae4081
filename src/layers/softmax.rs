//! Softmax as a layer.

use super::moved::Moved;
use super::{ActivationFn, Call, Config, Layer, Spec, WeightSpec, object, one};
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// eˣ / Σ eˣ over one axis or several ([Keras](https://keras.io/api/layers/activation_layers/softmax/)).
///
/// Input of any shape and a floating-point dtype, output of the same; the batch's axis cannot be among them. Default:
/// the last axis. No weights. It computes in f32 under mixed precision.
///
/// A mask must be of the input's shape: where it is false, the output is 0 and the element counts as -1e9. One of fewer axes, which names whole steps,
/// is an error, where Keras would align it with the last axes.
#[derive(Clone, Debug)]
pub struct Softmax {
    axis: Axes,
}

impl Default for Softmax {
    fn default() -> Self {
        Softmax::new()
    }
}

impl Softmax {
    /// Softmax over the last axis.
    pub fn new() -> Softmax {
        Softmax { axis: Axes::from(-1) }
    }

    /// The axes of which all elements together sum to 1: one, or a list.
    pub fn axis(mut self, axis: impl Into<Axes>) -> Self {
        self.axis = axis.into();
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Softmax> {
        Ok(Softmax { axis: Axes::read(config.get("axis"), "axis", -1)? })
    }
}

/// What e is raised to where a mask is false.
const MASKED: f64 = -1e9;

/// The elements that count, and a number in the place of the others.
fn masked(x: &Tensor, mask: &Tensor, other: f64) -> Result<Tensor> {
    let (shape, given) = (x.shape(), mask.shape());
    if given.rank() != shape.rank() {
        let message = format!("expected a mask of the input's shape {shape}, got {given}");
        return Err(Error::Input(format!("{message}: a step that is left out as a whole has no softmax")));
    }
    mask.select(x, &Tensor::full(&x.device(), (), x.dtype(), other)?)
}

impl Layer for Softmax {
    fn class_name(&self) -> &'static str {
        "Softmax"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        x.axes(self.axis.list())?;
        Ok(vec![x.clone()])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let mask = call.mask(0);
        let x = &mask.map_or_else(|| Ok(inputs[0].clone()), |mask| masked(inputs[0], mask, MASKED))?;
        let y = match *self.axis.list() {
            _ if call.wants_logits() => return Ok(Tensors::from_elem(x.clone(), 1)),
            [axis] => x.softmax(axis)?,
            ref axes => {
                let moved = Moved::new(x, axes)?;
                moved.back(&moved.rows(x)?.softmax(-1)?)?
            }
        };
        // Where all are masked, all would be alike.
        Ok(Tensors::from_elem(mask.map_or_else(|| Ok(y.clone()), |mask| masked(&y, mask, 0.0))?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "axis": self.axis.serialized() }))
    }

    fn output_activation(&self) -> Option<ActivationFn> {
        (self.axis.list() == [-1]).then_some(ActivationFn::Softmax)
    }

    fn full_precision(&self) -> bool {
        true
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        self.axis.list() == [-1]
    }
}
