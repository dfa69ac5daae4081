//! Layer normalisation.

use super::moved::Moved;
use super::parameter::parameter_setters;
use super::{Call, Config, Layer, Parameter, Read, Spec, WeightSpec, object, one};
use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::initializers::{Ones, Zeros};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// gamma · (x − mean) / √(variance + epsilon) + beta, with the mean and variance of each sample over `axis`
/// ([Keras](https://keras.io/api/layers/normalization_layers/layer_normalization/),
/// [paper](https://arxiv.org/abs/1607.06450)).
///
/// Input `(batch, …)` of a floating-point dtype, output of the same shape. Weights: `gamma` if `scale`, `beta` if
/// `center`, of the extents of `axis`. Defaults: the last axis, epsilon 1e-3, both weights, gamma ones and beta zeros.
/// It computes in f32 under mixed precision.
#[derive(Clone, Debug)]
pub struct LayerNormalization {
    axis: Axes,
    epsilon: f64,
    center: bool,
    scale: bool,
    beta: Parameter,
    gamma: Parameter,
}

impl Default for LayerNormalization {
    fn default() -> Self {
        LayerNormalization::new()
    }
}

impl LayerNormalization {
    /// Normalisation over the last axis.
    pub fn new() -> LayerNormalization {
        LayerNormalization {
            axis: Axes::from([-1]),
            epsilon: 1e-3,
            center: true,
            scale: true,
            beta: Parameter::new("beta", Zeros),
            gamma: Parameter::new("gamma", Ones),
        }
    }

    /// The axes that mean and variance are taken over: one, or a list.
    pub fn axis(mut self, axis: impl Into<Axes>) -> Self {
        self.axis = Axes::from(axis.into().list().to_vec());
        self
    }

    /// What is added to the variance; by default 1e-3.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Whether beta is added; by default it is.
    pub fn center(mut self, center: bool) -> Self {
        self.center = center;
        self
    }

    /// Whether it is multiplied by gamma; by default it is.
    pub fn scale(mut self, scale: bool) -> Self {
        self.scale = scale;
        self
    }

    parameter_setters!(
        gamma: gamma_initializer "The scale's first values; by default ones.", gamma_regularizer, gamma_constraint
    );
    parameter_setters!(
        beta: beta_initializer "The offset's first values; by default zeros.", beta_regularizer, beta_constraint
    );

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<LayerNormalization> {
        config.refuse(&["rms_scaling"])?;
        let layer = LayerNormalization::new().axis(Axes::read(config.get("axis"), "axis", -1)?);
        Ok(LayerNormalization {
            epsilon: config.number("epsilon", 1e-3)?,
            center: config.flag("center", true)?,
            scale: config.flag("scale", true)?,
            beta: Parameter::read(config, "beta", "Zeros")?,
            gamma: Parameter::read(config, "gamma", "Ones")?,
            ..layer
        })
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
        check(inputs, &self.axis, self.epsilon)
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let shape = extents(one(inputs)?, &self.axis)?;
        let gamma = self.scale.then(|| self.gamma.spec(shape));
        gamma.into_iter().chain(self.center.then(|| self.beta.spec(shape))).collect()
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let moved = Moved::new(inputs[0], self.axis.list())?;
        let vector = |i: usize| -> Result<Tensor> {
            let weight = call.weight(i)?;
            weight.reshape([weight.shape().size()])
        };
        let gamma = if self.scale { Some(vector(0)?) } else { None };
        let beta = if self.center { Some(vector(usize::from(self.scale))?) } else { None };
        let rows = moved.rows(inputs[0])?;
        let y = match (&gamma, &beta) {
            (None, Some(beta)) => rows.layer_norm(None, None, self.epsilon)?.add(beta)?,
            (gamma, beta) => rows.layer_norm(gamma.as_ref(), beta.as_ref(), self.epsilon)?,
        };
        Ok(Tensors::from_elem(moved.back(&y)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "axis": self.axis.serialized(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "rms_scaling": false,
        }));
        self.beta.write(&mut config);
        self.gamma.write(&mut config);
        config
    }

    fn full_precision(&self) -> bool {
        true
    }
}
