//! The rectified linear unit whose slope is learnt.

use super::parameter::parameter_setters;
use super::{Call, Config, Layer, Parameter, Read, Spec, WeightSpec, one};
use crate::error::Result;
use crate::initializers::Zeros;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// max(x, 0) − alpha · max(−x, 0): x above 0, else alpha · x
/// ([Keras](https://keras.io/api/layers/activation_layers/prelu/), [paper](https://arxiv.org/abs/1502.01852)).
///
/// Input `(batch, …)` of a floating-point dtype, output of the same shape. Weight: `alpha`, of a sample's shape, with
/// the extent 1 along the axes that share it. Defaults: alpha from 0 on, no shared axes.
#[derive(Clone, Debug)]
pub struct PReLU {
    alpha: Parameter,
    shared_axes: Option<Vec<isize>>,
}

impl Default for PReLU {
    fn default() -> Self {
        PReLU::new()
    }
}

impl PReLU {
    /// A slope for each element of a sample.
    pub fn new() -> PReLU {
        PReLU { alpha: Parameter::new("alpha", Zeros), shared_axes: None }
    }

    /// The axes along which all places have one slope, the batch being 0: `[1, 2]` for one slope a channel of an image.
    pub fn shared_axes(mut self, axes: impl Into<Vec<isize>>) -> Self {
        self.shared_axes = Some(axes.into());
        self
    }

    parameter_setters!(
        alpha: alpha_initializer "The slope's first values; by default zeros.", alpha_regularizer, alpha_constraint
    );

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<PReLU> {
        let axes = config.integers("shared_axes")?;
        Ok(PReLU {
            alpha: Parameter::read(config, "alpha", "Zeros")?,
            shared_axes: axes.map(|axes| axes.into_iter().map(|a| a as isize).collect()),
        })
    }

    /// The places of the shared axes.
    fn shared_places(&self, x: &Spec) -> Result<Vec<usize>> {
        match self.shared_axes.as_deref() {
            None | Some([]) => Ok(vec![]),
            Some(axes) => x.axes(axes),
        }
    }
}

impl Layer for PReLU {
    fn class_name(&self) -> &'static str {
        "PReLU"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        let shared = self.shared_places(x)?;
        (1..x.rank()).filter(|a| !shared.contains(a)).try_for_each(|a| x.known(a as isize).map(|_| ()))?;
        Ok(vec![x.clone()])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let x = one(inputs)?;
        let shared = self.shared_places(x)?;
        let extent = |a: usize| if shared.contains(&a) { Ok(1) } else { x.known(a as isize) };
        let dims = (1..x.rank()).map(extent).collect::<Result<Vec<_>>>()?;
        Ok(vec![self.alpha.spec(Shape::new(&dims)?)?])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let below = inputs[0].negative()?.relu()?.mul(&call.weight(0)?)?;
        Ok(Tensors::from_elem(inputs[0].relu()?.sub(&below)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        self.alpha.write(&mut config);
        config.insert("shared_axes".into(), json!(self.shared_axes));
        config
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
