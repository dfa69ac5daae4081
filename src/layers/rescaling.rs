//! A scale and an offset.

use super::{Call, Config, Constant, Layer, Spec, WeightSpec, object, one};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// x · scale + offset ([Keras](https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/)).
///
/// `scale` and `offset` are a number each, or one number for each channel, which is the last axis. Input `(batch, …)`
/// of any dtype, output of the same shape; integers become float32, and so it computes under mixed precision. Default:
/// no offset. No weights.
#[derive(Clone, Debug)]
pub struct Rescaling {
    scale: Constant,
    offset: Constant,
}

impl Rescaling {
    /// A layer with this scale: `Rescaling::new(1.0 / 255.0)`, or `Rescaling::new([0.5, 2.0, 1.0])` for three channels.
    pub fn new(scale: impl Into<Constant>) -> Rescaling {
        Rescaling { scale: scale.into(), offset: 0.0.into() }
    }

    /// What is added; by default 0.
    pub fn offset(mut self, offset: impl Into<Constant>) -> Self {
        self.offset = offset.into();
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Rescaling> {
        let Some(scale) = Constant::read(config, "scale")? else {
            return Err(Error::Config("argument `scale` is missing".into()));
        };
        Ok(Rescaling { scale, offset: Constant::read(config, "offset")?.unwrap_or(0.0.into()) })
    }
}

impl Layer for Rescaling {
    fn class_name(&self) -> &'static str {
        "Rescaling"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        self.scale.check("scale", x)?;
        self.offset.check("offset", x)?;
        let dtype = if x.dtype.is_float() { x.dtype } else { DType::F32 };
        Ok(vec![Spec { dims: x.dims.clone(), dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let x = call.float(inputs[0])?;
        let y = match (self.scale.number(), self.offset.number()) {
            (Some(scale), Some(offset)) => x.rescale(scale, offset)?,
            _ => x.mul(&self.scale.like(&x)?)?.add(&self.offset.like(&x)?)?,
        };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "scale": self.scale.serialized(), "offset": self.offset.serialized() }))
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
        true
    }
}
