//! The inner part of the spatial axes.

use super::image::{channels_last, class};
use super::{Call, Config, Frame, Layer, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// What is left of `N` spatial axes without some elements before and behind, as [`Cropping1D`], [`Cropping2D`] and
/// [`Cropping3D`].
///
/// Input `(batch, N axes, channels)` of any dtype, output the same with extents as much smaller, of at least 1. No
/// weights.
#[derive(Clone, Debug)]
pub struct Cropping<const N: usize>(Frame<N>);

/// Steps without the first and the last ([Keras](https://keras.io/api/layers/reshaping_layers/cropping1d/)): see
/// [`Cropping`]. By default one on each side is left out.
pub type Cropping1D = Cropping<1>;

/// Images without their borders ([Keras](https://keras.io/api/layers/reshaping_layers/cropping2d/)): see [`Cropping`].
/// By default nothing is left out.
pub type Cropping2D = Cropping<2>;

/// Volumes without their borders ([Keras](https://keras.io/api/layers/reshaping_layers/cropping3d/)): see [`Cropping`].
/// By default one element on each side is left out.
pub type Cropping3D = Cropping<3>;

impl<const N: usize> Default for Cropping<N> {
    fn default() -> Self {
        Cropping::new(Self::DEFAULT)
    }
}

impl<const N: usize> Cropping<N> {
    /// Keras's.
    const DEFAULT: usize = if N == 2 { 0 } else { 1 };

    /// As many elements less as `cropping` says: a number for all sides, one for each axis, or a pair for each axis.
    pub fn new(cropping: impl Into<Frame<N>>) -> Self {
        Cropping(cropping.into())
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        channels_last(config)?;
        Frame::read(config, "cropping", Self::DEFAULT).map(Cropping)
    }
}

impl<const N: usize> Layer for Cropping<N> {
    fn class_name(&self) -> &'static str {
        class::<N>(["Cropping1D", "Cropping2D", "Cropping3D"])
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        let smaller = |n: usize, [before, behind]: [usize; 2]| match n.saturating_sub(before).saturating_sub(behind) {
            0 => Err(Error::Input(format!(
                "expected spatial axes that are longer than the `cropping` {:?}, got shape {x}",
                self.0.sides()
            ))),
            rest => Ok(rest),
        };
        Ok(vec![self.0.spec(x, smaller)?])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let sides = (1..).zip(self.0.sides()).filter(|(_, sides)| **sides != [0, 0]);
        let y = sides.into_iter().try_fold(inputs[0].clone(), |x, (axis, &[before, behind])| {
            let extent = x.shape()[axis as usize];
            x.slice(axis, before..extent.saturating_sub(behind))
        })?;
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({ "cropping": self.0.serialized() }));
        if N > 1 {
            config.insert("data_format".into(), "channels_last".into());
        }
        config
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
