//! Root mean square normalisation.

use super::layer_normalization::{check, extents};
use super::moved::Moved;
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::axes::Axes;
use crate::error::Result;
use crate::initializers::Ones;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// scale · x / √(mean x² + epsilon), with the mean of each sample over `axis`
/// ([Keras](https://keras.io/api/layers/normalization_layers/rms_normalization/),
/// [paper](https://arxiv.org/abs/1910.07467)).
///
/// Input `(batch, …)` of a floating-point dtype, output of the same shape. Weight: `scale`, ones, of the extents of
/// `axis`. Defaults: the last axis, epsilon 1e-6. Under mixed precision it takes and gives halves, and computes in f32,
/// with the scale as it is, where Keras rounds it to halves first.
#[derive(Clone, Debug)]
pub struct RMSNormalization {
    axis: Axes,
    epsilon: f64,
}

impl Default for RMSNormalization {
    fn default() -> Self {
        RMSNormalization::new()
    }
}

impl RMSNormalization {
    /// Normalisation over the last axis.
    pub fn new() -> RMSNormalization {
        RMSNormalization { axis: Axes::from([-1]), epsilon: 1e-6 }
    }

    /// The axes that the mean is taken over: one, or a list.
    pub fn axis(mut self, axis: impl Into<Axes>) -> Self {
        self.axis = Axes::from(axis.into().list().to_vec());
        self
    }

    /// What is added to the mean; by default 1e-6.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<RMSNormalization> {
        let layer = RMSNormalization::new().axis(Axes::read(config.get("axis"), "axis", -1)?);
        Ok(layer.epsilon(config.number("epsilon", 1e-6)?))
    }
}

impl Layer for RMSNormalization {
    fn class_name(&self) -> &'static str {
        "RMSNormalization"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        check(inputs, &self.axis, self.epsilon)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![WeightSpec::new("scale", extents(one(inputs)?, &self.axis)?, Box::new(Ones))])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let moved = Moved::new(inputs[0], self.axis.list())?;
        let scale = call.raw_weight(0)?;
        let scale = scale.reshape([scale.shape().size()])?;
        let y = moved.rows(inputs[0])?.rms_norm(Some(&scale), self.epsilon)?;
        Ok(Tensors::from_elem(moved.back(&y)?, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "axis": self.axis.serialized(), "epsilon": self.epsilon }))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }

    fn stepwise(&self, _: &[bool]) -> bool {
        self.axis.list() == [-1]
    }
}
