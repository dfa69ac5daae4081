//! An activation as a layer of its own.

use super::activation_fn::activations;
use super::{ActivationFn, Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::Result;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// `activation(x)` ([Keras](https://keras.io/api/layers/core_layers/activation/)).
///
/// Input of any shape and a floating-point dtype, output of the same; softmax and its like are over the last axis,
/// which must not be the batch, and glu halves it. No weights.
#[derive(Clone, Debug)]
pub struct Activation {
    activation: ActivationFn,
}

macro_rules! constructors {
    ($($doc:literal $name:ident $value:expr;)*) => {
        impl Activation {
            $(
                #[doc = $doc]
                pub fn $name() -> Activation {
                    Activation { activation: $value }
                }
            )*
        }
    };
}
activations!(constructors);

impl Activation {
    /// The layer of an activation that is chosen at run time; the named ones are `Activation::relu()` and so on.
    pub fn new(activation: impl Into<ActivationFn>) -> Activation {
        Activation { activation: activation.into() }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Activation> {
        Ok(Activation { activation: ActivationFn::from_name(&config.word("activation", "linear")?)? })
    }
}

impl Layer for Activation {
    fn class_name(&self) -> &'static str {
        "Activation"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        Ok(vec![self.activation.output(x.clone())?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let y = if call.wants_logits() { inputs[0].clone() } else { self.activation.call(inputs[0])? };
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "activation": self.activation.to_json() }))
    }

    fn output_activation(&self) -> Option<ActivationFn> {
        Some(self.activation)
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
