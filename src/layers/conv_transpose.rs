//! Transposed convolutions.

use super::convolution::{Convolution, Kind, positive};
use super::parameter::parameter_setters;
use super::spatial::PerAxis;
use super::{Call, Config, Parameter, Read, Spec, WeightSpec};
use crate::error::{Error, Result};
use crate::initializers::GlorotUniform;
use crate::ops::{Activation, Padding, Slide, Window};
use crate::tensor::Tensor;

/// A convolution backwards, from its outputs to its inputs, along one axis
/// ([Keras](https://keras.io/api/layers/convolution_layers/convolution1d_transpose/)).
///
/// Input `(batch, steps, channels)`, output `(batch, new steps, filters)`. Weights: `kernel` (size, filters, channels),
/// `bias` (filters). Steps of the output and defaults: as for [`Conv2DTranspose`].
pub type Conv1DTranspose = Convolution<Transposed<1>, 1>;

/// A convolution backwards, from its outputs to its inputs, over the two axes of an image
/// ([Keras](https://keras.io/api/layers/convolution_layers/convolution2d_transpose/),
/// [guide](https://arxiv.org/abs/1603.07285)).
///
/// Input `(batch, height, width, channels)`, output `(batch, new height, new width, filters)`. Weights: `kernel` (height,
/// width, filters, channels), `bias` (filters). With n elements of the input along an axis and a window that reaches over
/// r = (size − 1) · dilation + 1, the output has n · stride (padding same) or (n − 1) · stride + max(r, stride) (valid)
/// elements; with an output padding p it has (n − 1) · stride + r mod 2 + p (same) or (n − 1) · stride + r + p (valid).
/// Defaults: those of [`Convolution`], no output padding.
pub type Conv2DTranspose = Convolution<Transposed<2>, 2>;

/// A convolution backwards, from its outputs to its inputs, over the three axes of a volume
/// ([Keras](https://keras.io/api/layers/convolution_layers/convolution3d_transpose/)).
///
/// Input `(batch, …, channels)`, output `(batch, …, filters)` with three new extents. Weights: `kernel` (…, filters,
/// channels), `bias` (filters). Extents of the output and defaults: as for [`Conv2DTranspose`].
pub type Conv3DTranspose = Convolution<Transposed<3>, 3>;

/// What is an input of a convolution is an output here.
#[derive(Clone, Debug)]
pub struct Transposed<const N: usize> {
    filters: usize,
    output_padding: Option<PerAxis<N>>,
    kernel: Parameter,
}

impl<const N: usize> Convolution<Transposed<N>, N> {
    /// A layer of `filters` outputs with a window of `kernel_size`: one number, or one for each axis.
    pub fn new(filters: usize, kernel_size: impl Into<PerAxis<N>>) -> Self {
        let kind = Transposed { filters, output_padding: None, kernel: Parameter::new("kernel", GlorotUniform) };
        Convolution::of(kind, kernel_size.into())
    }

    /// Elements that the output has beyond the least, fewer than the stride: one number, or one for each axis.
    pub fn output_padding(mut self, output_padding: impl Into<PerAxis<N>>) -> Self {
        self.kind.output_padding = Some(output_padding.into());
        self
    }

    parameter_setters!(
        [kind] kernel: kernel_initializer "The kernel's first values; by default Glorot uniform.", kernel_regularizer,
        kernel_constraint
    );
}

impl<const N: usize> Kind<N> for Transposed<N> {
    const CLASSES: &'static [&'static str] = &["Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"];
    const KERNELS: usize = 1;

    fn read(config: &Config) -> Result<Self> {
        Ok(Transposed {
            filters: config.size("filters")?,
            output_padding: PerAxis::read(config, "output_padding")?,
            kernel: Parameter::read(config, "kernel", "GlorotUniform")?,
        })
    }

    fn write(&self, config: &mut Config) {
        config.insert("filters".into(), self.filters.into());
        config.insert("output_padding".into(), self.output_padding.map(|p| p.serialized()).into());
        self.kernel.write(config);
    }

    fn filters(layer: &Convolution<Self, N>, _: &Spec, _: usize) -> Result<usize> {
        let strides = layer.strides.0;
        positive("filters", layer.kind.filters)?;
        layer.refuse_strides_with_dilation()?;
        if let Some(PerAxis(padding)) = layer.kind.output_padding
            && padding.iter().zip(&strides).any(|(p, s)| p >= s)
        {
            let message = "`output_padding` must be strictly less than `strides` for all dimensions";
            return Err(Error::Config(format!("{message}: got output_padding={padding:?}, strides={strides:?}")));
        }
        Ok(layer.kind.filters)
    }

    fn kernels(layer: &Convolution<Self, N>, channels: usize) -> Result<Vec<WeightSpec>> {
        Ok(vec![layer.kind.kernel.spec(layer.kernel_shape(layer.kind.filters, channels)?)?])
    }

    /// The convolution that this one is backwards has `extent` steps. Keras says how much is put around its outputs,
    /// `left` and `right`, once they are `stride` apart; what the window reaches beyond that is cut off.
    fn along(layer: &Convolution<Self, N>, axis: usize, extent: usize) -> (Slide, usize) {
        let slide = layer.slide(axis);
        let (reach, stride) = (slide.reach(), slide.stride);
        let more = layer.kind.output_padding.map(|p| p.0[axis]);
        let (left, right) = if layer.padding == Padding::Valid {
            (reach - 1, reach - 1 + more.unwrap_or(stride.max(reach) - reach))
        } else {
            let both = more.map_or(stride + reach - 2, |more| reach + reach % 2 - 2 + more);
            let left = both.div_ceil(2).min(reach - 1);
            (left, both - left)
        };
        let spread = extent.saturating_sub(1).saturating_mul(stride).saturating_add(1);
        let output = spread.saturating_add(left + right).saturating_sub(reach - 1);
        let slide = Slide { before: reach - 1 - left, after: (reach - 1).saturating_sub(right), ..slide };
        (slide, if extent == 0 { 0 } else { output })
    }

    fn apply(
        &self,
        call: &Call,
        y: &Tensor,
        window: Window,
        extents: &[usize; N],
        bias: Option<&Tensor>,
        activation: Activation,
    ) -> Result<Tensor> {
        let x = y.conv_transpose(&call.weight(0)?, window, 1, extents)?;
        activation.call(&bias.map_or_else(|| Ok(x.clone()), |bias| x.add(bias))?)
    }
}
