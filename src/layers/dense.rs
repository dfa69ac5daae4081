//! The fully connected layer.

use super::activation_fn::{activation_setters, activations};
use super::parameter::parameter_setters;
use super::{ActivationFn, Call, Config, Head, Layer, Parameter, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Zeros};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// `activation(x · kernel + bias)` over the last axis ([Keras](https://keras.io/api/layers/core_layers/dense/)).
///
/// Input `(batch, …, features)`, output `(batch, …, units)`, with glu `(batch, …, units / 2)`. Weights: `kernel`
/// (features, units), `bias` (units). Defaults: no activation, with bias, kernel Glorot uniform, bias zeros.
#[derive(Clone, Debug)]
pub struct Dense {
    units: usize,
    activation: ActivationFn,
    use_bias: bool,
    kernel: Parameter,
    bias: Parameter,
}

impl Dense {
    /// A layer with `units` outputs.
    pub fn new(units: usize) -> Dense {
        Dense {
            units,
            activation: ActivationFn::default(),
            use_bias: true,
            kernel: Parameter::new("kernel", GlorotUniform),
            bias: Parameter::new("bias", Zeros),
        }
    }

    activations!(activation_setters);

    /// Whether a bias is added; by default it is.
    pub fn use_bias(mut self, use_bias: bool) -> Self {
        self.use_bias = use_bias;
        self
    }

    parameter_setters!(
        kernel: kernel_initializer "The kernel's first values; by default Glorot uniform.", kernel_regularizer,
        kernel_constraint
    );
    parameter_setters!(
        bias: bias_initializer "The bias's first values; by default zeros.", bias_regularizer, bias_constraint
    );

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Dense> {
        config.refuse(&["lora_rank", "quantization_config"])?;
        Ok(Dense {
            units: config.size("units")?,
            activation: ActivationFn::from_name(&config.word("activation", "linear")?)?,
            use_bias: config.flag("use_bias", true)?,
            kernel: Parameter::read(config, "kernel", "GlorotUniform")?,
            bias: Parameter::read(config, "bias", "Zeros")?,
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
        Ok(vec![self.activation.output(Spec { dims, dtype: x.dtype })?])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let features = one(inputs)?.known(-1)?;
        let kernel = Shape::new(&[features, self.units])?;
        let mut weights = vec![self.kernel.spec(kernel)?];
        if self.use_bias {
            weights.push(self.bias.spec(Shape::new(&[self.units])?)?);
        }
        Ok(weights)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let kernel = call.weight(0)?;
        let bias = if self.use_bias { Some(call.weight(1)?) } else { None };
        let y = inputs[0].linear(&kernel, bias.as_ref(), self.activation.fused(call))?;
        Ok(Tensors::from_elem(self.activation.rest(call, y)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "units": self.units,
            "activation": self.activation.to_json(),
            "use_bias": self.use_bias,
        }));
        self.kernel.write(&mut config);
        self.bias.write(&mut config);
        config
    }

    fn head(&self) -> Option<Head> {
        let plain = self.activation == ActivationFn::default() || self.activation == ActivationFn::Softmax;
        plain.then_some(Head { kernel: 0, transposed: false, bias: self.use_bias.then_some(1) })
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
