//! Convolutions of each channel alone, then of all channels at each place.

use super::convolution::{Convolution, Kind, positive};
use super::depthwise_conv::{convolve, depth_multiplier};
use super::parameter::parameter_setters;
use super::spatial::PerAxis;
use super::{Call, Config, Parameter, Read, Spec, WeightSpec};
use crate::error::Result;
use crate::initializers::GlorotUniform;
use crate::ops::{Activation, Window};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Each channel convolved with kernels of its own, then all of them mixed at each step
/// ([Keras](https://keras.io/api/layers/convolution_layers/separable_convolution1d/)).
///
/// Input `(batch, steps, channels)`, output `(batch, new steps, filters)`. Weights: `depthwise_kernel` (size, channels,
/// depth_multiplier), `pointwise_kernel` (1, channels · depth_multiplier, filters), `bias` (filters). Defaults: those of
/// [`Convolution`], the multiplier 1.
pub type SeparableConv1D = Convolution<Separable, 1>;

/// Each channel convolved with kernels of its own, then all of them mixed at each pixel
/// ([Keras](https://keras.io/api/layers/convolution_layers/separable_convolution2d/),
/// [paper](https://arxiv.org/abs/1610.02357)).
///
/// Input `(batch, height, width, channels)`, output `(batch, new height, new width, filters)`. Weights: `depthwise_kernel`
/// (height, width, channels, depth_multiplier), `pointwise_kernel` (1, 1, channels · depth_multiplier, filters), `bias`
/// (filters). Defaults: those of [`Convolution`], the multiplier 1.
pub type SeparableConv2D = Convolution<Separable, 2>;

/// Each channel has filters of its own, whose outputs are mixed.
#[derive(Clone, Debug)]
pub struct Separable {
    filters: usize,
    depth_multiplier: usize,
    depthwise_kernel: Parameter,
    pointwise_kernel: Parameter,
}

impl<const N: usize> Convolution<Separable, N> {
    /// A layer of `filters` outputs with a window of `kernel_size`: one number, or one for each axis.
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis<N>>) -> Self {
        let kind = Separable {
            filters,
            depth_multiplier: 1,
            depthwise_kernel: Parameter::new("depthwise", GlorotUniform),
            pointwise_kernel: Parameter::new("pointwise", GlorotUniform),
        };
        Convolution::of(kind, kernel_size.into())
    }

    /// What the window makes of each channel; by default 1.
    pub fn depth_multiplier(mut self, depth_multiplier: usize) -> Self {
        self.kind.depth_multiplier = depth_multiplier;
        self
    }

    parameter_setters!(
        [kind] depthwise_kernel: depthwise_initializer "First values of the kernels of the channels; by default Glorot uniform.",
        depthwise_regularizer, depthwise_constraint
    );
    parameter_setters!(
        [kind] pointwise_kernel: pointwise_initializer "First values of the kernel that mixes; by default Glorot uniform.",
        pointwise_regularizer, pointwise_constraint
    );
}

impl<const N: usize> Kind<N> for Separable {
    const CLASSES: &'static [&'static str] = &["SeparableConv1D", "SeparableConv2D"];
    const KERNELS: usize = 2;

    fn read(config: &Config) -> Result<Separable> {
        Ok(Separable {
            filters: config.size("filters")?,
            depth_multiplier: depth_multiplier(config)?,
            depthwise_kernel: Parameter::read(config, "depthwise", "GlorotUniform")?,
            pointwise_kernel: Parameter::read(config, "pointwise", "GlorotUniform")?,
        })
    }

    fn write(&self, config: &mut Config) {
        config.insert("filters".into(), self.filters.into());
        config.insert("depth_multiplier".into(), self.depth_multiplier.into());
        self.depthwise_kernel.write(config);
        self.pointwise_kernel.write(config);
    }

    fn filters(layer: &Convolution<Separable, N>, _: &Spec, _: usize) -> Result<usize> {
        positive("filters", layer.kind.filters)?;
        positive("depth_multiplier", layer.kind.depth_multiplier)?;
        Ok(layer.kind.filters)
    }

    fn kernels(layer: &Convolution<Separable, N>, channels: usize) -> Result<Vec<WeightSpec>> {
        let Separable { filters, depth_multiplier, depthwise_kernel, pointwise_kernel } = &layer.kind;
        let depthwise = layer.kernel_shape(channels, *depth_multiplier)?;
        let pointwise = [&[1; N][..], &[channels.saturating_mul(*depth_multiplier), *filters]].concat();
        Ok(vec![
            depthwise_kernel.spec_as("depthwise_kernel", depthwise)?,
            pointwise_kernel.spec_as("pointwise_kernel", Shape::new(&pointwise)?)?,
        ])
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
        let seen = convolve(x, &call.weight(0)?, window, None, Activation::Linear)?;
        // A window of one place is a product over the last axis.
        let pointwise = call.weight(1)?.reshape([seen.shape().last(), self.filters])?;
        seen.linear(&pointwise, bias, activation)
    }
}
