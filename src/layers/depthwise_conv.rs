//! Convolutions of each channel alone.

use super::convolution::{Convolution, Kind, positive};
use super::parameter::parameter_setters;
use super::spatial::PerAxis;
use super::{Call, Config, Parameter, Read, Spec, WeightSpec};
use crate::error::Result;
use crate::initializers::GlorotUniform;
use crate::ops::{Activation, Window};
use crate::tensor::Tensor;

/// Each channel convolved with kernels of its own, along one axis
/// ([Keras](https://keras.io/api/layers/convolution_layers/depthwise_convolution1d/)).
///
/// Input `(batch, steps, channels)`, output `(batch, new steps, channels · depth_multiplier)`, those of a channel side by
/// side. Weights: `kernel` (size, channels, depth_multiplier), `bias` (channels · depth_multiplier). Defaults: those of
/// [`Convolution`], the multiplier 1.
pub type DepthwiseConv1D = Convolution<Depthwise, 1>;

/// Each channel convolved with kernels of its own, over the two axes of an image
/// ([Keras](https://keras.io/api/layers/convolution_layers/depthwise_convolution2d/)).
///
/// Input `(batch, height, width, channels)`, output `(batch, new height, new width, channels · depth_multiplier)`, those of a
/// channel side by side. Weights: `kernel` (height, width, channels, depth_multiplier), `bias` (channels ·
/// depth_multiplier). Defaults: those of [`Convolution`], the multiplier 1.
pub type DepthwiseConv2D = Convolution<Depthwise, 2>;

/// Each channel has filters of its own.
#[derive(Clone, Debug)]
pub struct Depthwise {
    depth_multiplier: usize,
    kernel: Parameter,
}

impl<const N: usize> Convolution<Depthwise, N> {
    /// A layer with a window of `kernel_size`: one number, or one for each axis.
    pub fn new(kernel_size: impl Into<PerAxis<N>>) -> Self {
        let kind = Depthwise { depth_multiplier: 1, kernel: Parameter::new("depthwise", GlorotUniform) };
        Convolution::of(kind, kernel_size.into())
    }

    /// Outputs of each channel; by default 1.
    pub fn depth_multiplier(mut self, depth_multiplier: usize) -> Self {
        self.kind.depth_multiplier = depth_multiplier;
        self
    }

    parameter_setters!(
        [kind] kernel: depthwise_initializer "The kernel's first values; by default Glorot uniform.",
        depthwise_regularizer, depthwise_constraint
    );
}

/// The argument `depth_multiplier`.
pub(super) fn depth_multiplier(config: &Config) -> Result<usize> {
    config.find("depth_multiplier").map_or(Ok(1), |_| config.size("depth_multiplier"))
}

/// Each channel of x convolved with the kernels `(…, channels, multiplier)` of its own.
pub(super) fn convolve(
    x: &Tensor,
    kernel: &Tensor,
    window: Window,
    bias: Option<&Tensor>,
    activation: Activation,
) -> Result<Tensor> {
    // As the op has it, each group of filters sees one channel.
    let shape = kernel.shape();
    let channels = x.shape().last();
    let filters = channels * shape.last();
    let grouped = shape.with(shape.rank() - 2, 1)?.with(shape.rank() - 1, filters)?;
    x.conv(&kernel.reshape(grouped)?, bias, window, channels, activation)
}

impl<const N: usize> Kind<N> for Depthwise {
    const CLASSES: &'static [&'static str] = &["DepthwiseConv1D", "DepthwiseConv2D"];
    const KERNELS: usize = 1;

    fn read(config: &Config) -> Result<Depthwise> {
        Ok(Depthwise {
            depth_multiplier: depth_multiplier(config)?,
            kernel: Parameter::read(config, "depthwise", "GlorotUniform")?,
        })
    }

    fn write(&self, config: &mut Config) {
        config.insert("depth_multiplier".into(), self.depth_multiplier.into());
        self.kernel.write(config);
    }

    fn filters(layer: &Convolution<Depthwise, N>, _: &Spec, channels: usize) -> Result<usize> {
        positive("depth_multiplier", layer.kind.depth_multiplier)?;
        Ok(channels.saturating_mul(layer.kind.depth_multiplier))
    }

    fn kernels(layer: &Convolution<Depthwise, N>, channels: usize) -> Result<Vec<WeightSpec>> {
        let Depthwise { depth_multiplier, kernel } = &layer.kind;
        Ok(vec![kernel.spec_as("kernel", layer.kernel_shape(channels, *depth_multiplier)?)?])
    }

    fn apply(
        &self,
        call: &Call,
        x: &Tensor,
        window: Window,
        _: &[usize; N],
        bias: Option<&Tensor>,
        activation: Activation,
    ) -> Result<Tensor> {
        convolve(x, &call.weight(0)?, window, bias, activation)
    }
}
