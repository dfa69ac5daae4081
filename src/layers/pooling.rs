//! What poolings have in common, of whichever kind and over however many axes.

use super::spatial::{self, PerAxis};
use super::{Call, Config, Layer, Mask, Read, Spec, WeightSpec, mask, object, one};
use crate::error::{Error, Result};
use crate::ops::{Padding, Slide, Window};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;
use std::fmt;

/// A pooling of the kind `P` over `N` spatial axes: what [`MaxPooling2D`](super::MaxPooling2D) and its like are.
///
/// Input `(batch, …, channels)` of a floating-point dtype, output with ⌊(extent − size) / stride⌋ + 1 places along each axis
/// or, with the padding same, ⌈extent / stride⌉. No weights. Defaults: windows of 2, one beside the other, no padding.
#[derive(Clone, Copy, Debug)]
pub struct Pooling<P, const N: usize> {
    kind: P,
    pool_size: PerAxis<N>,
    strides: PerAxis<N>,
    padding: Padding,
}

/// A pooling of the kind `P` over all of `N` spatial axes: what
/// [`GlobalAveragePooling2D`](super::GlobalAveragePooling2D) and its like are.
///
/// Input `(batch, …, channels)` of a floating-point dtype, output `(batch, channels)`. No weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct GlobalPooling<P, const N: usize> {
    kind: P,
    keepdims: bool,
}

/// What tells the kinds of pooling apart.
pub trait Pool: Clone + Default + fmt::Debug + Send + Sync + 'static {
    /// Keras's classes, by the number of axes from one on.
    const CLASSES: [&'static str; 3];
    /// Those of the poolings over all of the axes.
    const GLOBAL: [&'static str; 3];
    /// Whether that over one axis leaves out what a mask does.
    const MASKED: bool;

    /// One element for each window.
    fn windows(&self, x: &Tensor, window: Window) -> Result<Tensor>;

    /// One element for all along these axes.
    fn whole(&self, x: &Tensor, axes: &[isize], keepdims: bool) -> Result<Tensor>;
}

/// The largest element.
#[derive(Clone, Copy, Debug, Default)]
pub struct Max;

/// The mean.
#[derive(Clone, Copy, Debug, Default)]
pub struct Average;

impl Pool for Max {
    const CLASSES: [&'static str; 3] = ["MaxPooling1D", "MaxPooling2D", "MaxPooling3D"];
    const GLOBAL: [&'static str; 3] = ["GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"];
    const MASKED: bool = false;

    fn windows(&self, x: &Tensor, window: Window) -> Result<Tensor> {
        x.max_pool(window)
    }

    fn whole(&self, x: &Tensor, axes: &[isize], keepdims: bool) -> Result<Tensor> {
        x.max(axes, keepdims)
    }
}

impl Pool for Average {
    const CLASSES: [&'static str; 3] = ["AveragePooling1D", "AveragePooling2D", "AveragePooling3D"];
    const GLOBAL: [&'static str; 3] = ["GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"];
    const MASKED: bool = true;

    fn windows(&self, x: &Tensor, window: Window) -> Result<Tensor> {
        x.average_pool(window)
    }

    fn whole(&self, x: &Tensor, axes: &[isize], keepdims: bool) -> Result<Tensor> {
        x.mean(axes, keepdims)
    }
}

/// Windows of 2.
impl<P: Pool, const N: usize> Default for Pooling<P, N> {
    fn default() -> Self {
        Pooling::new(2)
    }
}

impl<P: Pool, const N: usize> Pooling<P, N> {
    /// A layer with windows of `pool_size`, one number or one for each axis, that lie one beside the other.
    pub fn new(pool_size: impl Into<PerAxis<N>>) -> Self {
        let size = pool_size.into();
        Pooling { kind: P::default(), pool_size: size, strides: size, padding: Padding::Valid }
    }

    /// How far the window moves: one number, or one for each axis; by default by its size.
    pub fn strides(mut self, strides: impl Into<PerAxis<N>>) -> Self {
        self.strides = strides.into();
        self
    }

    /// What is assumed around the input, and takes no part: nothing ([`Padding::Valid`], the default), or as much as makes
    /// ⌈extent / stride⌉ places ([`Padding::Same`]).
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        spatial::channels_last(config)?;
        let layer = Pooling::new(PerAxis::read(config, "pool_size")?.unwrap_or(2.into()));
        let strides = PerAxis::read(config, "strides")?.unwrap_or(layer.pool_size);
        Ok(layer.strides(strides).padding(spatial::padding(config)?))
    }

    /// The window's movement along an axis of `extent` elements.
    fn slide(&self, axis: usize, extent: usize) -> Slide {
        let (size, stride) = (self.pool_size.0[axis], self.strides.0[axis]);
        Slide { size, stride, ..Slide::NONE }.padded(self.padding, extent)
    }
}

impl<P: Pool, const N: usize> GlobalPooling<P, N> {
    /// A layer that gives vectors.
    pub fn new() -> Self {
        GlobalPooling { kind: P::default(), keepdims: false }
    }

    /// Whether the spatial axes stay, with the extent 1; by default they go.
    pub fn keepdims(mut self, keepdims: bool) -> Self {
        self.keepdims = keepdims;
        self
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        spatial::channels_last(config)?;
        Ok(GlobalPooling::new().keepdims(config.flag("keepdims", false)?))
    }
}

/// The one input, which has `N` spatial axes.
fn image<const N: usize>(inputs: &[Spec]) -> Result<&Spec> {
    let x = one(inputs)?;
    x.require_float()?;
    if x.rank() == N + 2 {
        return Ok(x);
    }
    Err(Error::Input(format!("expected {} axes (batch, {N} spatial, channels), got shape {x}", N + 2)))
}

impl<P: Pool, const N: usize> Layer for Pooling<P, N> {
    fn class_name(&self) -> &'static str {
        const { P::CLASSES[N - 1] }
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = image::<N>(inputs)?;
        self.pool_size.check("pool_size", 1)?;
        self.strides.check("strides", 1)?;
        if self.padding == Padding::Causal {
            return Err(Error::Config("argument `padding`: expected valid or same, got causal".into()));
        }
        let mut dims = x.dims.clone();
        for (axis, extent) in dims[1..=N].iter_mut().enumerate() {
            *extent = extent.map(|extent| self.slide(axis, extent).steps(extent));
        }
        if dims[1..=N].contains(&Some(0)) {
            return Err(Error::Input(format!(
                "computed output size would be zero or negative: got inputs shape={x}, pool_size={:?}, strides={:?}, \
                 padding={}",
                self.pool_size.0,
                self.strides.0,
                self.padding.name(),
            )));
        }
        Ok(vec![Spec { dims, dtype: x.dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let extents = inputs[0].shape();
        let slides: [Slide; N] = std::array::from_fn(|axis| self.slide(axis, extents[axis + 1]));
        Ok(Tensors::from_elem(self.kind.windows(inputs[0], Window::of(&slides))?, 1))
    }

    fn config(&self) -> Config {
        object(json!({
            "pool_size": self.pool_size.serialized(),
            "padding": self.padding.name(),
            "strides": self.strides.serialized(),
            "data_format": "channels_last",
        }))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}

/// The mean over these axes of what counts; NaN where nothing does, as in Keras.
fn masked_mean(x: &Tensor, mask: &Tensor, axes: &[isize], keepdims: bool) -> Result<Tensor> {
    let mask = mask::beside(mask, x.shape().rank())?;
    let kept = mask.select(x, &Tensor::zeros(&x.device(), (), x.dtype())?)?;
    kept.sum(axes, keepdims)?.div(&mask.cast(x.dtype())?.sum(axes, keepdims)?)
}

impl<P: Pool, const N: usize> Layer for GlobalPooling<P, N> {
    fn class_name(&self) -> &'static str {
        const { P::GLOBAL[N - 1] }
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = image::<N>(inputs)?;
        let spatial = std::iter::repeat_n(Some(1), if self.keepdims { N } else { 0 });
        Ok(vec![Spec { dims: [x.dims[0]].into_iter().chain(spatial).chain([x.dims[N + 1]]).collect(), dtype: x.dtype }])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let axes: [isize; N] = std::array::from_fn(|axis| axis as isize + 1);
        let pooled = match call.mask(0).filter(|_| self.supports_masking()) {
            Some(mask) => masked_mean(inputs[0], mask, &axes, self.keepdims)?,
            None => self.kind.whole(inputs[0], &axes, self.keepdims)?,
        };
        Ok(Tensors::from_elem(pooled, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "data_format": "channels_last", "keepdims": self.keepdims }))
    }

    fn supports_masking(&self) -> bool {
        P::MASKED && N == 1
    }

    fn compute_mask(&self, _: usize, _: &[bool]) -> Mask {
        Mask::None
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
