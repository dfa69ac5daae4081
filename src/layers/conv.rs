//! Convolutions.

use super::convolution::{Convolution, Kind, positive};
use super::parameter::parameter_setters;
use super::spatial::PerAxis;
use super::{Call, Config, Parameter, Read, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::initializers::GlorotUniform;
use crate::ops::{Activation, Window};
use crate::tensor::Tensor;

/// `activation(x * kernel + bias)` along one axis ([Keras](https://keras.io/api/layers/convolution_layers/convolution1d/)).
///
/// Input `(batch, steps, channels)`, output `(batch, new steps, filters)`. Weights: `kernel` (size, channels / groups,
/// filters), `bias` (filters). It alone has the padding causal. Defaults: those of [`Convolution`], one group.
pub type Conv1D = Convolution<Full, 1>;

/// `activation(x * kernel + bias)` over the two axes of an image
/// ([Keras](https://keras.io/api/layers/convolution_layers/convolution2d/)).
///
/// Input `(batch, height, width, channels)`, output `(batch, new height, new width, filters)`. Weights: `kernel` (height,
/// width, channels / groups, filters), `bias` (filters). Defaults: those of [`Convolution`], one group.
pub type Conv2D = Convolution<Full, 2>;

/// `activation(x * kernel + bias)` over the three axes of a volume
/// ([Keras](https://keras.io/api/layers/convolution_layers/convolution3d/)).
///
/// Input `(batch, …, channels)`, output `(batch, …, filters)` with three new extents. Weights: `kernel` (…, channels /
/// groups, filters), `bias` (filters). Defaults: those of [`Convolution`], one group.
pub type Conv3D = Convolution<Full, 3>;

/// Each filter sees all channels of its group.
#[derive(Clone, Debug)]
pub struct Full {
    filters: usize,
    groups: usize,
    kernel: Parameter,
}

impl<const N: usize> Convolution<Full, N> {
    /// A layer of `filters` outputs with a window of `kernel_size`: one number, or one for each axis.
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis<N>>) -> Self {
        let kind = Full { filters, groups: 1, kernel: Parameter::new("kernel", GlorotUniform) };
        Convolution::of(kind, kernel_size.into())
    }

    /// Parts into which channels and filters are cut; each part of the filters sees one of the channels. By default 1.
    pub fn groups(mut self, groups: usize) -> Self {
        self.kind.groups = groups;
        self
    }

    parameter_setters!(
        [kind] kernel: kernel_initializer "The kernel's first values; by default Glorot uniform.", kernel_regularizer,
        kernel_constraint
    );
}

impl<const N: usize> Kind<N> for Full {
    const CLASSES: &'static [&'static str] = &["Conv1D", "Conv2D", "Conv3D"];
    const KERNELS: usize = 1;

    fn read(config: &Config) -> Result<Full> {
        Ok(Full {
            filters: config.size("filters")?,
            groups: config.find("groups").map_or(Ok(1), |_| config.size("groups"))?,
            kernel: Parameter::read(config, "kernel", "GlorotUniform")?,
        })
    }

    fn write(&self, config: &mut Config) {
        config.insert("filters".into(), self.filters.into());
        config.insert("groups".into(), self.groups.into());
        self.kernel.write(config);
    }

    fn filters(layer: &Convolution<Full, N>, x: &Spec, channels: usize) -> Result<usize> {
        let Full { filters, groups, .. } = layer.kind;
        positive("filters", filters)?;
        positive("groups", groups)?;
        layer.refuse_strides_with_dilation()?;
        if !filters.is_multiple_of(groups) {
            let message = "the number of filters must be evenly divisible by the number of groups";
            return Err(Error::Config(format!("{message}: got groups={groups}, filters={filters}")));
        }
        if !channels.is_multiple_of(groups) {
            return Err(Error::Input(format!(
                "the number of input channels must be evenly divisible by the number of groups: got groups={groups}, but \
                 the input has {channels} channels (full input shape is {x})"
            )));
        }
        Ok(filters)
    }

    fn kernels(layer: &Convolution<Full, N>, channels: usize) -> Result<Vec<WeightSpec>> {
        let Full { filters, groups, kernel } = &layer.kind;
        Ok(vec![kernel.spec(layer.kernel_shape(channels / groups, *filters)?)?])
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
        x.conv(&call.weight(0)?, bias, window, self.groups, activation)
    }
}
