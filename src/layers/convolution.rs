//! What convolutions have in common, whatever their kind and over however many axes.

use super::activation_fn::{activation_setters, activations};
use super::parameter::parameter_setters;
use super::spatial::{self, PerAxis};
use super::{ActivationFn, Call, Config, Layer, Parameter, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::initializers::Zeros;
use crate::ops::{Activation, Padding, Slide, Window};
use crate::shape::Shape;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;
use std::fmt;

/// A convolution of the kind `K` over `N` spatial axes: what [`Conv2D`](super::Conv2D) and its like are.
///
/// Input `(batch, …, channels)` of a floating-point dtype. Defaults: strides and dilation 1, padding valid, no activation,
/// with bias, kernels Glorot uniform, bias zeros.
#[derive(Clone, Debug)]
pub struct Convolution<K, const N: usize> {
    pub(super) kind: K,
    pub(super) kernel_size: PerAxis<N>,
    pub(super) strides: PerAxis<N>,
    pub(super) padding: Padding,
    pub(super) dilation_rate: PerAxis<N>,
    activation: ActivationFn,
    use_bias: bool,
    bias: Parameter,
}

/// What tells the kinds of convolution apart.
pub trait Kind<const N: usize>: Clone + fmt::Debug + Send + Sync + 'static {
    /// Keras's classes, by the number of axes from one on.
    const CLASSES: &'static [&'static str];

    /// How many kernels there are; the bias comes after them.
    const KERNELS: usize;

    /// The arguments of a config that only this kind has.
    fn read(config: &Config) -> Result<Self>;

    /// Adds them to a config.
    fn write(&self, config: &mut Config);

    /// Checks them for an input of so many channels, and gives the channels of the output.
    fn filters(layer: &Convolution<Self, N>, x: &Spec, channels: usize) -> Result<usize>;

    /// The kernels for an input of so many channels.
    fn kernels(layer: &Convolution<Self, N>, channels: usize) -> Result<Vec<WeightSpec>>;

    /// How the window moves along an axis whose input has `extent` elements, and how many the output has.
    fn along(layer: &Convolution<Self, N>, axis: usize, extent: usize) -> (Slide, usize) {
        let slide = layer.slide(axis).padded(layer.padding, extent);
        (slide, slide.steps(extent))
    }

    /// The output, of these extents, with `bias` and `activation`.
    fn apply(
        &self,
        call: &Call,
        x: &Tensor,
        window: Window,
        extents: &[usize; N],
        bias: Option<&Tensor>,
        activation: Activation,
    ) -> Result<Tensor>;
}

impl<K, const N: usize> Convolution<K, N> {
    pub(super) fn of(kind: K, kernel_size: PerAxis<N>) -> Self {
        Convolution {
            kind,
            kernel_size,
            strides: 1.into(),
            padding: Padding::Valid,
            dilation_rate: 1.into(),
            activation: ActivationFn::default(),
            use_bias: true,
            bias: Parameter::new("bias", Zeros),
        }
    }

    /// How far the window moves: one number, or one for each axis; by default 1.
    pub fn strides(mut self, strides: impl Into<PerAxis<N>>) -> Self {
        self.strides = strides.into();
        self
    }

    /// What is assumed around the input; by default nothing.
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// The distance of the elements that the window sees: one number, or one for each axis; by default 1.
    pub fn dilation_rate(mut self, dilation_rate: impl Into<PerAxis<N>>) -> Self {
        self.dilation_rate = dilation_rate.into();
        self
    }

    activations!(activation_setters);

    /// Whether a bias is added; by default it is.
    pub fn use_bias(mut self, use_bias: bool) -> Self {
        self.use_bias = use_bias;
        self
    }

    parameter_setters!(
        bias: bias_initializer "The bias's first values; by default zeros.", bias_regularizer, bias_constraint
    );

    /// The window's movement along an axis, without padding.
    pub(super) fn slide(&self, axis: usize) -> Slide {
        Slide {
            size: self.kernel_size.0[axis],
            stride: self.strides.0[axis],
            dilation: self.dilation_rate.0[axis],
            ..Slide::NONE
        }
    }

    /// The shape of a kernel that the window sees whole.
    pub(super) fn kernel_shape(&self, inputs: usize, outputs: usize) -> Result<Shape> {
        Shape::new(&[&self.kernel_size.0[..], &[inputs, outputs]].concat())
    }

    /// Refuses what Keras refuses for some kinds.
    pub(super) fn refuse_strides_with_dilation(&self) -> Result<()> {
        let (strides, dilation) = (self.strides.0, self.dilation_rate.0);
        if strides.iter().all(|&n| n == 1) || dilation.iter().all(|&n| n == 1) {
            return Ok(());
        }
        let message = "`strides > 1` not supported in conjunction with `dilation_rate > 1`";
        Err(Error::Config(format!("{message}: got strides={strides:?} and dilation_rate={dilation:?}")))
    }
}

/// Checks an argument that counts channels.
pub(super) fn positive(name: &str, value: usize) -> Result<()> {
    if value > 0 {
        return Ok(());
    }
    Err(Error::Config(format!("argument `{name}`: expected a strictly positive value, got 0")))
}

impl<K: Kind<N>, const N: usize> Convolution<K, N> {
    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        config.refuse(&["lora_rank", "quantization_config"])?;
        spatial::channels_last(config)?;
        let size = PerAxis::read(config, "kernel_size")?;
        let size = size.ok_or_else(|| Error::Config("argument `kernel_size` is missing".into()))?;
        Ok(Convolution {
            strides: PerAxis::read(config, "strides")?.unwrap_or(1.into()),
            padding: spatial::padding(config)?,
            dilation_rate: PerAxis::read(config, "dilation_rate")?.unwrap_or(1.into()),
            activation: ActivationFn::from_name(&config.word("activation", "linear")?)?,
            use_bias: config.flag("use_bias", true)?,
            bias: Parameter::read(config, "bias", "Zeros")?,
            ..Convolution::of(K::read(config)?, size)
        })
    }

    /// Checks the arguments that all kinds have.
    fn check(&self) -> Result<()> {
        self.kernel_size.check("kernel_size", 1)?;
        self.strides.check("strides", 1)?;
        self.dilation_rate.check("dilation_rate", 1)?;
        if self.padding == Padding::Causal && self.class_name() != "Conv1D" {
            return Err(Error::Config("argument `padding`: expected valid or same, got causal".into()));
        }
        Ok(())
    }

    /// The channels of an input.
    fn channels(&self, x: &Spec) -> Result<usize> {
        if x.rank() == N + 2 {
            return x.known(-1);
        }
        Err(Error::Input(format!("expected {} axes (batch, {N} spatial, channels), got shape {x}", N + 2)))
    }
}

impl<K: Kind<N>, const N: usize> Layer for Convolution<K, N> {
    fn class_name(&self) -> &'static str {
        const { K::CLASSES[N - 1] }
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        self.check()?;
        let filters = K::filters(self, x, self.channels(x)?)?;
        let extents = (0..N).map(|axis| x.dims[axis + 1].map(|extent| K::along(self, axis, extent).1));
        let dims: Vec<_> = std::iter::once(x.dims[0]).chain(extents).chain([Some(filters)]).collect();
        if dims[1..=N].contains(&Some(0)) {
            return Err(Error::Input(format!(
                "computed output size would be zero or negative: got inputs shape={x}, kernel_size={:?}, \
                 dilation_rate={:?}, strides={:?}, padding={}",
                self.kernel_size.0,
                self.dilation_rate.0,
                self.strides.0,
                self.padding.name(),
            )));
        }
        Ok(vec![self.activation.output(Spec { dims, dtype: x.dtype })?])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let x = one(inputs)?;
        let channels = self.channels(x)?;
        let mut weights = K::kernels(self, channels)?;
        if self.use_bias {
            weights.push(self.bias.spec(Shape::new(&[K::filters(self, x, channels)?])?)?);
        }
        Ok(weights)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let (mut slides, mut extents) = ([Slide::NONE; N], [0; N]);
        for axis in 0..N {
            (slides[axis], extents[axis]) = K::along(self, axis, inputs[0].shape()[axis + 1]);
        }
        let bias = if self.use_bias { Some(call.weight(K::KERNELS)?) } else { None };
        let fused = self.activation.fused(call);
        let y = self.kind.apply(call, inputs[0], Window::of(&slides), &extents, bias.as_ref(), fused)?;
        Ok(Tensors::from_elem(self.activation.rest(call, y)?, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "kernel_size": self.kernel_size.serialized(),
            "strides": self.strides.serialized(),
            "padding": self.padding.name(),
            "data_format": "channels_last",
            "dilation_rate": self.dilation_rate.serialized(),
            "activation": self.activation.to_json(),
            "use_bias": self.use_bias,
        }));
        self.kind.write(&mut config);
        self.bias.write(&mut config);
        config
    }

    fn output_activation(&self) -> Option<ActivationFn> {
        Some(self.activation)
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
