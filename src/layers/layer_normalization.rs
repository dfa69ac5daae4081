//! Layer normalisation.

use super::affine::{Affine, affine_setters};
use super::moved::Moved;
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// gamma · (x − mean) / √(variance + epsilon) + beta, with the mean and variance of each sample over `axis`
/// ([Keras](https://keras.io/api/layers/normalization_layers/layer_normalization/),
/// [paper](https://arxiv.org/abs/1607.06450)).
///
/// Input `(batch, …)` of a floating-point dtype, output of the same shape. Weights: `gamma` if `scale`, `beta` if
/// `center`, of the extents of `axis`. Defaults: the last axis, epsilon 1e-3, both weights, gamma ones and beta zeros.
/// Under mixed precision it takes and gives halves, and computes in f32.
#[derive(Clone, Debug)]
pub struct LayerNormalization {
    axis: Axes,
    affine: Affine,
}

impl Default for LayerNormalization {
    fn default() -> Self {
        LayerNormalization::new()
    }
}

impl LayerNormalization {
    /// Normalisation over the last axis.
    pub fn new() -> LayerNormalization {
        LayerNormalization { axis: Axes::from([-1]), affine: Affine::new() }
    }

    /// The axes that mean and variance are taken over: one, or a list.
    pub fn axis(mut self, axis: impl Into<Axes>) -> Self {
        self.axis = Axes::from(axis.into().list().to_vec());
        self
    }

    affine_setters!(affine);

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<LayerNormalization> {
        config.refuse(&["rms_scaling"])?;
        let layer = LayerNormalization::new().axis(Axes::read(config.get("axis"), "axis", -1)?);
        Ok(LayerNormalization { affine: Affine::read(config)?, ..layer })
    }
}

/// Checks an input and an epsilon.
pub(super) fn check(inputs: &[Spec], axis: &Axes, epsilon: f64) -> Result<Vec<Spec>> {
    let x = one(inputs)?;
    x.require_float()?;
    if !(epsilon > 0.0 && epsilon.is_finite()) {
        return Err(Error::Config(format!("argument `epsilon`: expected a positive number, got {epsilon}")));
    }
    extents(x, axis)?;
    Ok(vec![x.clone()])
}

/// The extents of `axis`, in their order in the input.
pub(super) fn extents(x: &Spec, axis: &Axes) -> Result<Shape> {
    Shape::new(&x.axes(axis.list())?.into_iter().map(|a| x.known(a as isize)).collect::<Result<Vec<_>>>()?)
}

impl Layer for LayerNormalization {
    fn class_name(&self) -> &'static str {
        "LayerNormalization"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        check(inputs, &self.axis, self.affine.epsilon)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let shape = extents(one(inputs)?, &self.axis)?;
        self.affine.weights(shape)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let moved = Moved::new(inputs[0], self.axis.list())?;
        let vector = |i: usize| -> Result<Tensor> {
            let weight = call.raw_weight(i)?;
            weight.reshape([weight.shape().size()])
        };
        let [gamma, beta] = self.affine.places().map(|i| i.map(vector).transpose());
        let (gamma, beta) = (gamma?, beta?);
        let y = moved.rows(inputs[0])?.layer_norm(gamma.as_ref(), beta.as_ref(), self.affine.epsilon)?;
        Ok(Tensors::from_elem(moved.back(&y)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "axis": self.axis.serialized(),
            "rms_scaling": false,
        }));
        self.affine.write(&mut config);
        config
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
