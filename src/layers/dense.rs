//! The fully connected layer.

use super::activation_fn::{activation_setters, activations};
use super::{ActivationFn, Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Initializer, Zeros};
use crate::ops::Activation;
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// `activation(x · kernel + bias)` over the last axis ([Keras](https://keras.io/api/layers/core_layers/dense/)).
///
/// Input `(batch, …, features)`, output `(batch, …, units)`. Weights: `kernel` (features, units), `bias` (units). Defaults:
/// no activation, with bias, kernel Glorot uniform, bias zeros.
#[derive(Clone, Debug)]
pub struct Dense {
    units: usize,
    activation: ActivationFn,
    use_bias: bool,
    kernel_initializer: Box<dyn Initializer>,
    bias_initializer: Box<dyn Initializer>,
}

impl Dense {
    /// A layer with `units` outputs.
    pub fn new(units: usize) -> Dense {
        Dense {
            units,
            activation: ActivationFn::default(),
            use_bias: true,
            kernel_initializer: Box::new(GlorotUniform),
            bias_initializer: Box::new(Zeros),
        }
    }

    activations!(activation_setters);

    /// Whether a bias is added; by default it is.
    pub fn use_bias(mut self, use_bias: bool) -> Self {
        self.use_bias = use_bias;
        self
    }

    /// The kernel's first values; by default Glorot uniform.
    pub fn kernel_initializer(mut self, initializer: impl Initializer) -> Self {
        self.kernel_initializer = Box::new(initializer);
        self
    }

    /// The bias's first values; by default zeros.
    pub fn bias_initializer(mut self, initializer: impl Initializer) -> Self {
        self.bias_initializer = Box::new(initializer);
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Dense> {
        config.refuse(&[
            "kernel_regularizer",
            "bias_regularizer",
            "activity_regularizer",
            "kernel_constraint",
            "bias_constraint",
            "lora_rank",
            "quantization_config",
        ])?;
        Ok(Dense {
            units: config.size("units")?,
            activation: ActivationFn::from_name(&config.word("activation", "linear")?)?,
            use_bias: config.flag("use_bias", true)?,
            kernel_initializer: config.initializer("kernel_initializer", "GlorotUniform")?,
            bias_initializer: config.initializer("bias_initializer", "Zeros")?,
        })
    }
}

impl Layer for Dense {
    fn class_name(&self) -> &'static str {
        "Dense"
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        if self.units == 0 {
            return Err(Error::Config("argument `units`: expected at least 1, got 0".into()));
        }
        if x.rank() < 2 {
            return Err(Error::Input(format!("expected at least 2 axes, got shape {x}")));
        }
        x.known(-1)?;
        let mut dims = x.dims.clone();
        if let Some(last) = dims.last_mut() {
            *last = Some(self.units);
        }
        Ok(vec![Spec { dims, dtype: x.dtype }])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let features = one(inputs)?.known(-1)?;
        let kernel = Shape::new(&[features, self.units])?;
        let mut weights = vec![WeightSpec::new("kernel", kernel, self.kernel_initializer.clone())];
        if self.use_bias {
            weights.push(WeightSpec::new("bias", Shape::new(&[self.units])?, self.bias_initializer.clone()));
        }
        Ok(weights)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let kernel = call.weight(0)?;
        let bias = if self.use_bias { Some(call.weight(1)?) } else { None };
        // An activation that the loss undoes, or that is no part of the product's op, comes after it.
        let fused = match self.activation {
            ActivationFn::Element(a) if !call.wants_logits() => a,
            _ => Activation::Linear,
        };
        let y = inputs[0].linear(&kernel, bias.as_ref(), fused)?;
        let softmax = self.activation == ActivationFn::Softmax && !call.wants_logits();
        Ok(Tensors::from_elem(if softmax { self.activation.call(&y)? } else { y }, 1))
    }

    fn config(&self) -> Config {
        let config = json!({
            "units": self.units,
            "activation": self.activation.name(),
            "use_bias": self.use_bias,
            "kernel_initializer": self.kernel_initializer.serialized(),
            "bias_initializer": self.bias_initializer.serialized(),
            "kernel_regularizer": null,
            "bias_regularizer": null,
            "kernel_constraint": null,
            "bias_constraint": null,
        });
        object(config)
    }

    fn output_activation(&self) -> Option<ActivationFn> {
        Some(self.activation)
    }
}
