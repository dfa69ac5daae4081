//! Inputs one behind the other.

use super::{Call, Config, Layer, Mask, Read, Spec, WeightSpec, mask, merge, object};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;
use smallvec::SmallVec;

/// The inputs one behind the other along an axis ([Keras](https://keras.io/api/layers/merging_layers/concatenate/)).
///
/// Inputs `(batch, …)`, one or more, of one dtype and of shapes that agree but for that axis. Output: the same shape,
/// with the sum of the extents there. Default: the last axis. No weights.
///
/// The output has a mask where an input has one: the masks one behind the other, all true for an input without one; along the
/// last axis, where one of them is true.
#[derive(Clone, Debug)]
pub struct Concatenate {
    axis: isize,
}

impl Default for Concatenate {
    fn default() -> Self {
        Concatenate::new()
    }
}

impl Concatenate {
    /// The layer; call it on several symbols: `Concatenate::new().call([&a, &b])`.
    pub fn new() -> Concatenate {
        Concatenate { axis: -1 }
    }

    /// The axis, the batch being 0, counted from the end where it is negative; by default -1.
    pub fn axis(mut self, axis: isize) -> Self {
        self.axis = axis;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Concatenate> {
        match config.integers("axis")?.as_deref() {
            None => Ok(Concatenate::new()),
            Some(&[axis]) => Ok(Concatenate { axis: axis as isize }),
            Some(axes) => Err(Error::Config(format!("argument `axis`: expected one axis, got {axes:?}"))),
        }
    }
}

impl Concatenate {
    /// The masks one behind the other; those that lie side by side count where one of them does.
    fn mask(&self, call: &Call, inputs: &[&Tensor]) -> Result<Tensor> {
        let axis = inputs[0].shape().axis(self.axis, "axis")?;
        let side_by_side = axis + 1 == inputs[0].shape().rank();
        let mask = |(i, x): (usize, &&Tensor)| {
            let steps = x.shape().without(x.shape().rank() - 1);
            match call.mask(i) {
                Some(mask) => mask::beside(mask, steps.rank())?.broadcast_to(steps),
                None => Tensor::ones(&x.device(), steps, DType::Bool),
            }
        };
        let masks = inputs.iter().enumerate().map(mask).collect::<Result<Tensors>>()?;
        match &masks[..] {
            [first, others @ ..] if side_by_side => others.iter().try_fold(first.clone(), |a, b| mask::either(&a, b)),
            masks => Tensor::concatenate(&masks.iter().collect::<SmallVec<[&Tensor; 4]>>(), axis as isize),
        }
    }
}

impl Layer for Concatenate {
    fn class_name(&self) -> &'static str {
        "Concatenate"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let first = merge::check(inputs)?;
        let axis = first.axis(self.axis)?;
        let mut output = first.clone();
        for x in &inputs[1..] {
            let clash = |(i, (a, b)): (usize, (&Option<usize>, &Option<usize>))| {
                i != axis && a.is_some() && b.is_some() && a != b
            };
            if x.rank() != first.rank() || output.dims.iter().zip(&x.dims).enumerate().any(clash) {
                let message = "expected inputs with matching shapes except for the concatenation axis";
                return Err(Error::Input(format!("{message} {}, got {}", self.axis, merge::list(inputs))));
            }
            for (i, (to, from)) in output.dims.iter_mut().zip(&x.dims).enumerate() {
                *to = if i == axis { to.zip(*from).map(|(a, b)| a.saturating_add(b)) } else { to.or(*from) };
            }
        }
        Ok(vec![output])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        if (0..inputs.len()).any(|i| call.mask(i).is_some()) {
            let mask = self.mask(call, inputs)?;
            call.set_mask(0, Some(mask));
        }
        Ok(Tensors::from_elem(Tensor::concatenate(inputs, self.axis)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "axis": self.axis }))
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn compute_mask(&self, _: usize, masked: &[bool]) -> Mask {
        if masked.contains(&true) { Mask::Set } else { Mask::None }
    }
}
