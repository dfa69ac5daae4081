//! Inputs one behind the other.

use super::{Call, Config, Layer, Read, Spec, WeightSpec, merge, object};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// The inputs one behind the other along an axis ([Keras](https://keras.io/api/layers/merging_layers/concatenate/)).
///
/// Inputs `(batch, …)`, one or more, of one dtype and of shapes that agree but for that axis. Output: the same shape,
/// with the sum of the extents there. Default: the last axis. No weights.
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

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        Ok(Tensors::from_elem(Tensor::concatenate(inputs, self.axis)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "axis": self.axis }))
    }
}
