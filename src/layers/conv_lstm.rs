//! Long short-term memories of pictures: their products are convolutions.

use super::lstm::{forget_bias, step};
use super::parameter::parameter_setters;
use super::recurrent_cell::Parts;
use super::spatial::{self, PerAxis};
use super::traversal::{Traversal, Traverse, at, first, traversal_setters, traverses};
use super::{ActivationFn, Call, Config, Layer, Parameter, Read, Spec, WeightSpec, object};
use crate::error::{Error, Result};
use crate::initializers::{GlorotUniform, Orthogonal, Zeros};
use crate::ops::{Activation, Padding, Slide, Window};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Tensor, Tensors};
use serde_json::{Value, json};
use smallvec::SmallVec;
use std::sync::Arc;

/// A convolutional [`LSTM`](super::LSTM) over sequences of series
/// ([Keras](https://keras.io/api/layers/recurrent_layers/conv_lstm1d/)): see [`ConvLSTM`].
pub type ConvLSTM1D = ConvLSTM<1>;

/// A convolutional [`LSTM`](super::LSTM) over sequences of images
/// ([Keras](https://keras.io/api/layers/recurrent_layers/conv_lstm2d/)): see [`ConvLSTM`].
pub type ConvLSTM2D = ConvLSTM<2>;

/// A convolutional [`LSTM`](super::LSTM) over sequences of volumes
/// ([Keras](https://keras.io/api/layers/recurrent_layers/conv_lstm3d/)): see [`ConvLSTM`].
pub type ConvLSTM3D = ConvLSTM<3>;

/// An [`LSTM`](super::LSTM) whose products are convolutions over `N` spatial axes ([Shi et al.,
/// 2015](https://arxiv.org/abs/1506.04214)): that of the input has the arguments of a [`Conv2D`](super::Conv2D), that of the state
/// keeps its extents.
///
/// Input `(batch, steps, …, channels)` of known extents, and behind it the states before the first step, h and c, if they are not
/// to be 0. Output, and each state, `(batch, …, filters)` with the extents of the convolution, with `return_sequences` `(batch,
/// steps, …, filters)`. Masks are those of [`Recurrent`](super::Recurrent). Weights: `cell/kernel` (…window, channels, 4 ·
/// filters), `cell/recurrent_kernel` (…window, filters, 4 · filters), `cell/bias` (4 · filters), the gates in the order i, f, g, o.
/// Defaults: those of the LSTM and of the convolution.
#[derive(Clone, Debug)]
pub struct ConvLSTM<const N: usize> {
    filters: usize,
    kernel_size: PerAxis<N>,
    strides: PerAxis<N>,
    padding: Padding,
    dilation_rate: PerAxis<N>,
    activation: ActivationFn,
    recurrent_activation: ActivationFn,
    use_bias: bool,
    unit_forget_bias: bool,
    kernel: Parameter,
    recurrent: Parameter,
    bias: Parameter,
    dropout: f64,
    recurrent_dropout: f64,
    seed: Value,
    traversal: Traversal,
}

const GATES: usize = 4;

impl<const N: usize> ConvLSTM<N> {
    /// A layer of `filters` outputs with a window of `kernel_size`: one number, or one for each axis.
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis<N>>) -> Self {
        ConvLSTM {
            filters,
            kernel_size: kernel_size.into(),
            strides: 1.into(),
            padding: Padding::Valid,
            dilation_rate: 1.into(),
            activation: Activation::Tanh.into(),
            recurrent_activation: Activation::Sigmoid.into(),
            use_bias: true,
            unit_forget_bias: true,
            kernel: Parameter::new("kernel", GlorotUniform),
            recurrent: Parameter::new("recurrent", Orthogonal::new(1.0)),
            bias: Parameter::new("bias", Zeros),
            dropout: 0.0,
            recurrent_dropout: 0.0,
            seed: Value::Null,
            traversal: Traversal::default(),
        }
    }

    /// How far the window moves over the input: one number, or one for each axis; by default 1.
    pub fn strides(mut self, strides: impl Into<PerAxis<N>>) -> Self {
        self.strides = strides.into();
        self
    }

    /// What is assumed around the input; by default nothing.
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// The distance of the elements of the input that the window sees: one number, or one for each axis; by default 1.
    pub fn dilation_rate(mut self, dilation_rate: impl Into<PerAxis<N>>) -> Self {
        self.dilation_rate = dilation_rate.into();
        self
    }

    /// The activation of the gates; by default the sigmoid.
    pub fn recurrent_activation(mut self, activation: impl Into<ActivationFn>) -> Self {
        self.recurrent_activation = activation.into();
        self
    }

    /// Whether the bias of f begins at 1, whatever its initializer says; by default it does.
    pub fn unit_forget_bias(mut self, unit_forget_bias: bool) -> Self {
        self.unit_forget_bias = unit_forget_bias;
        self
    }

    super::recurrent_cell::cell_setters!();
    traversal_setters!();

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        spatial::channels_last(config)?;
        let size = PerAxis::read(config, "kernel_size")?;
        let size = size.ok_or_else(|| Error::Config("argument `kernel_size` is missing".into()))?;
        let of = ConvLSTM::new(config.size("filters")?, size);
        Ok(ConvLSTM {
            strides: PerAxis::read(config, "strides")?.unwrap_or(of.strides),
            padding: spatial::padding(config)?,
            dilation_rate: PerAxis::read(config, "dilation_rate")?.unwrap_or(of.dilation_rate),
            activation: ActivationFn::read(config, "activation", of.activation)?,
            recurrent_activation: ActivationFn::read(config, "recurrent_activation", of.recurrent_activation)?,
            use_bias: config.flag("use_bias", true)?,
            unit_forget_bias: config.flag("unit_forget_bias", true)?,
            kernel: Parameter::read(config, "kernel", "GlorotUniform")?,
            recurrent: Parameter::read(config, "recurrent", "Orthogonal")?,
            bias: Parameter::read(config, "bias", "Zeros")?,
            dropout: config.number("dropout", 0.0)?,
            recurrent_dropout: config.number("recurrent_dropout", 0.0)?,
            seed: config.find("seed").cloned().unwrap_or_default(),
            traversal: Traversal::read(config)?,
            ..of
        })
    }

    fn check(&self) -> Result<()> {
        super::convolution::positive("filters", self.filters)?;
        self.kernel_size.check("kernel_size", 1)?;
        self.strides.check("strides", 1)?;
        self.dilation_rate.check("dilation_rate", 1)?;
        super::recurrent_cell::check_rates(self.dropout, self.recurrent_dropout)?;
        if self.padding == Padding::Causal {
            return Err(Error::Config("argument `padding`: expected valid or same, got causal".into()));
        }
        let (strides, dilation) = (self.strides.0, self.dilation_rate.0);
        if strides.iter().any(|&n| n > 1) && dilation.iter().any(|&n| n > 1) {
            return Err(Error::Config(format!(
                "specifying `strides > 1` is not compatible with `dilation_rate > 1`: got strides={strides:?} and \
                 dilation_rate={dilation:?}"
            )));
        }
        Ok(())
    }

    /// How the window moves over the input along an axis of so many elements, and how many the state has there.
    fn along(&self, axis: usize, extent: usize) -> (Slide, usize) {
        let slide = Slide {
            size: self.kernel_size.0[axis],
            stride: self.strides.0[axis],
            dilation: self.dilation_rate.0[axis],
            ..Slide::NONE
        };
        let slide = slide.padded(self.padding, extent);
        (slide, slide.steps(extent))
    }

    /// Each state of a batch.
    fn state(&self, x: &Spec) -> Result<Spec> {
        if x.rank() != N + 3 {
            let message = format!("expected {} axes (batch, steps, {N} spatial, channels), got shape {x}", N + 3);
            return Err(Error::Input(message));
        }
        let mut dims = vec![x.dims[0]];
        for axis in 0..N {
            let extent = x.dims[axis + 2].ok_or_else(|| {
                let message = "ConvLSTM layers only support static input shapes for the spatial dimension";
                Error::Input(format!("{message}: got shape {x}"))
            })?;
            let extent = self.along(axis, extent).1;
            if extent == 0 {
                let message = format!("kernel_size={:?}", self.kernel_size.0);
                return Err(Error::Input(format!(
                    "expected images that the window fits into, {message}, got shape {x}"
                )));
            }
            dims.push(Some(extent));
        }
        dims.push(Some(self.filters));
        Ok(Spec { dims, dtype: x.dtype })
    }

    /// Elements of a tensor of ones of this shape, dropped out, for each gate; none where nothing is dropped.
    fn masks(call: &Call, like: &Tensor, shape: Shape, rate: f64) -> Result<Option<SmallVec<[Tensor; GATES]>>> {
        if !call.training() || rate == 0.0 || rate == 1.0 {
            return Ok(None);
        }
        let ones = Tensor::ones(&like.device(), shape, like.dtype())?;
        (0..GATES).map(|_| ones.dropout(rate, call.generator()?)).collect::<Result<_>>().map(Some)
    }
}

/// The convolution of x with a kernel for all gates or, where each drops elements of its own, gate by gate.
fn convolved(
    x: &Tensor,
    masks: Option<&SmallVec<[Tensor; GATES]>>,
    kernel: &Tensor,
    bias: Option<&Tensor>,
    window: Window,
    conv: impl Fn(&Tensor, &Tensor, Option<&Tensor>, Window) -> Result<Tensor>,
) -> Result<Tensor> {
    let Some(masks) = masks else { return conv(x, kernel, bias, window) };
    let filters = kernel.shape().last() / GATES;
    let part = |(gate, mask): (usize, &Tensor)| {
        let columns = gate * filters..(gate + 1) * filters;
        let bias = bias.map(|bias| bias.slice(0, columns.clone())).transpose()?;
        conv(&x.mul(mask)?, &kernel.slice(-1, columns)?, bias.as_ref(), window)
    };
    let parts = masks.iter().enumerate().map(part).collect::<Result<SmallVec<[Tensor; GATES]>>>()?;
    Tensor::concatenate(&parts.iter().collect::<SmallVec<[&Tensor; GATES]>>(), -1)
}

impl<const N: usize> Traverse for ConvLSTM<N> {
    fn traversal(&self) -> &Traversal {
        &self.traversal
    }

    fn traversed(&self, traversal: Traversal) -> Arc<dyn Layer> {
        Arc::new(ConvLSTM { traversal, ..self.clone() })
    }
}

impl<const N: usize> Layer for ConvLSTM<N> {
    fn class_name(&self) -> &'static str {
        const { ["ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"][N - 1] }
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = first(inputs)?;
        x.require_float()?;
        self.check()?;
        let state = self.state(x)?;
        x.known(-1)?;
        self.traversal.outputs(inputs, state.clone(), vec![state; 2])
    }

    fn weights(&self, inputs: &[Spec]) -> Result<Vec<WeightSpec>> {
        let x = first(inputs)?;
        let (size, columns) = (&self.kernel_size.0[..], GATES * self.filters);
        let kernel = |inputs: usize| Shape::new(&[size, &[inputs, columns]].concat());
        let mut weights = vec![
            self.kernel.spec_as("cell/kernel", kernel(x.known(-1)?)?)?,
            self.recurrent.spec_as("cell/recurrent_kernel", kernel(self.filters)?)?,
        ];
        if self.use_bias {
            let bias = self.bias.spec_as("cell/bias", Shape::new(&[columns])?)?;
            weights.push(forget_bias(bias, self.unit_forget_bias));
        }
        weights.extend(self.traversal.kept(&vec![self.state(x)?; 2])?);
        Ok(weights)
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let Some((&x, given)) = inputs.split_first() else { return Err(Error::Internal("no input".into())) };
        let shape = x.shape();
        let (batch, steps) = (shape[0], shape[1]);
        let (mut slides, mut same) = ([Slide::NONE; N], [Slide::NONE; N]);
        let mut state: SmallVec<[usize; MAX_RANK]> = SmallVec::from_slice(&[batch]);
        for axis in 0..N {
            let (slide, extent) = self.along(axis, shape[axis + 2]);
            slides[axis] = slide;
            same[axis] = Slide { size: slide.size, ..Slide::NONE }.padded(Padding::Same, extent);
            state.push(extent);
        }
        state.push(self.filters);
        let (kernel, recurrent, count) = (call.weight(0)?, call.weight(1)?, if self.use_bias { 3 } else { 2 });
        let bias = if self.use_bias { Some(call.weight(2)?) } else { None };
        let conv = |x: &Tensor, kernel: &Tensor, bias: Option<&Tensor>, window: Window| {
            x.conv(kernel, bias, window, 1, Activation::Linear)
        };
        // The products of the input need no state: they are one convolution, with the steps as so many samples more.
        let folded = |x: &Tensor, kernel: &Tensor, bias: Option<&Tensor>, window: Window| {
            let sums = conv(&x.reshape(shape.without(0).with(0, batch * steps)?)?, kernel, bias, window)?;
            let extents: SmallVec<[usize; MAX_RANK]> =
                [batch, steps].into_iter().chain(sums.shape()[1..].iter().copied()).collect();
            sums.reshape(Shape::new(&extents)?)
        };
        let dropped = Self::masks(call, x, shape.with(1, 1)?, self.dropout)?;
        let sums = convolved(x, dropped.as_ref(), &kernel, bias.as_ref(), Window::of(&slides), folded)?;
        let state = Shape::new(&state)?;
        let dropped = Self::masks(call, x, state, self.recurrent_dropout)?;
        let mut states = self.traversal.initial(call, given, count)?;
        if states.is_empty() {
            states
                .extend([Tensor::zeros(&x.device(), state, x.dtype())?, Tensor::zeros(&x.device(), state, x.dtype())?]);
        }
        let columns = |gate: usize| gate * self.filters..(gate + 1) * self.filters;
        let mask = call.mask(0).filter(|_| given.is_empty());
        let (y, states) = self.traversal.go(steps, mask, states, 0, |time, states| {
            let sums = at(&sums, time)?;
            let products = convolved(&states[0], dropped.as_ref(), &recurrent, None, Window::of(&same), conv)?;
            let parts = Parts {
                sum: &|gate| sums.slice(-1, columns(gate)),
                product: &|gate, _| products.slice(-1, columns(gate)),
                activations: [self.activation, self.recurrent_activation],
            };
            let states = step(&parts, &states.iter().collect::<SmallVec<[&Tensor; 2]>>())?;
            Ok((states[0].clone(), states))
        })?;
        self.traversal.keep(call, count, &states)?;
        Ok(std::iter::once(y).chain(states.into_iter().filter(|_| self.traversal.return_state)).collect())
    }

    fn config(&self) -> Config {
        let mut config = object(json!({
            "filters": self.filters,
            "kernel_size": self.kernel_size.serialized(),
            "strides": self.strides.serialized(),
            "padding": self.padding.name(),
            "data_format": "channels_last",
            "dilation_rate": self.dilation_rate.serialized(),
            "activation": self.activation.to_json(),
            "recurrent_activation": self.recurrent_activation.to_json(),
            "use_bias": self.use_bias,
            "unit_forget_bias": self.unit_forget_bias,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }));
        [&self.kernel, &self.recurrent, &self.bias].into_iter().for_each(|p| p.write(&mut config));
        self.traversal.write(&mut config);
        config
    }

    traverses!();

    fn is_samplewise(&self, _: bool) -> bool {
        !self.traversal.stateful
    }
}
