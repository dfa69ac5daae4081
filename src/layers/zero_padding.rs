//! Zeros around the spatial axes.

use super::image::{channels_last, class};
use super::{Call, Config, Frame, Layer, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// Zeros before and behind each of `N` spatial axes, as [`ZeroPadding1D`], [`ZeroPadding2D`] and [`ZeroPadding3D`].
///
/// Input `(batch, N axes, channels)` of any dtype, output the same with extents as much larger. No weights.
#[derive(Clone, Debug)]
pub struct ZeroPadding<const N: usize>(Frame<N>);

/// Zeros before and behind the steps ([Keras](https://keras.io/api/layers/reshaping_layers/zero_padding1d/)): see
/// [`ZeroPadding`].
pub type ZeroPadding1D = ZeroPadding<1>;

/// Zeros around images ([Keras](https://keras.io/api/layers/reshaping_layers/zero_padding2d/)): see [`ZeroPadding`].
pub type ZeroPadding2D = ZeroPadding<2>;

/// Zeros around volumes ([Keras](https://keras.io/api/layers/reshaping_layers/zero_padding3d/)): see [`ZeroPadding`].
pub type ZeroPadding3D = ZeroPadding<3>;

impl<const N: usize> Default for ZeroPadding<N> {
    /// One zero on each side.
    fn default() -> Self {
        ZeroPadding::new(1)
    }
}

impl<const N: usize> ZeroPadding<N> {
    /// As many zeros as `padding` says: a number for all sides, one for each axis, or a pair for each axis.
    pub fn new(padding: impl Into<Frame<N>>) -> Self {
        ZeroPadding(padding.into())
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        channels_last(config)?;
        Frame::read(config, "padding", 1).map(ZeroPadding)
    }
}

impl<const N: usize> Layer for ZeroPadding<N> {
    fn class_name(&self) -> &'static str {
        class::<N>(["ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"])
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let larger = |n: usize, [before, behind]: [usize; 2]| {
            n.checked_add(before).and_then(|n| n.checked_add(behind)).ok_or_else(|| {
                Error::Config(format!("argument `padding`: expected fewer elements, got {:?}", self.0.sides()))
            })
        };
        Ok(vec![self.0.spec(one(inputs)?, larger)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let sides = (1..).zip(self.0.sides()).filter(|(_, sides)| **sides != [0, 0]);
        let y = sides
            .into_iter()
            .try_fold(inputs[0].clone(), |x, (axis, &[before, behind])| x.pad(axis, before, behind, 0.0))?;
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        object(json!({ "padding": self.0.serialized(), "data_format": "channels_last" }))
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
