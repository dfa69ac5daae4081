//! More elements along the spatial axes.

use super::image::{channels_last, class, read_interpolation, spatial};
use super::{Call, Config, Layer, Read, Spec, WeightSpec, object, one};
use crate::error::{Error, Result};
use crate::ops::Interpolation;
use crate::tensor::{Tensor, Tensors};
use serde_json::json;

/// `N` spatial axes that are several times as long, as [`UpSampling1D`], [`UpSampling2D`] and [`UpSampling3D`].
///
/// Input `(batch, N axes, channels)` of a floating-point dtype, output the same with extents `size` times as large;
/// each element is repeated, or for images interpolated. No weights.
#[derive(Clone, Debug)]
pub struct UpSampling<const N: usize> {
    size: [usize; N],
    interpolation: Interpolation,
}

/// Each step `size` times, by default twice ([Keras](https://keras.io/api/layers/reshaping_layers/up_sampling1d/)): see
/// [`UpSampling`].
pub type UpSampling1D = UpSampling<1>;

/// Larger images, by default twice as large and each pixel repeated
/// ([Keras](https://keras.io/api/layers/reshaping_layers/up_sampling2d/)): see [`UpSampling`].
pub type UpSampling2D = UpSampling<2>;

/// Larger volumes, by default twice as large ([Keras](https://keras.io/api/layers/reshaping_layers/up_sampling3d/)):
/// see [`UpSampling`].
pub type UpSampling3D = UpSampling<3>;

impl<const N: usize> Default for UpSampling<N> {
    fn default() -> Self {
        UpSampling::new([2; N])
    }
}

impl<const N: usize> UpSampling<N> {
    /// How many times as long each axis becomes.
    pub fn new(size: [usize; N]) -> Self {
        UpSampling { size, interpolation: Interpolation::Nearest }
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        channels_last(config)?;
        let sizes = config.integers("size")?.unwrap_or(vec![2]);
        let sizes: Option<Vec<usize>> = sizes.into_iter().map(|n| usize::try_from(n).ok()).collect();
        let size = match sizes.as_deref() {
            Some(&[all]) => Some([all; N]),
            Some(each) => <[usize; N]>::try_from(each).ok(),
            None => None,
        };
        let Some(size) = size else {
            let got = &config["size"];
            return Err(Error::Config(format!("argument `size`: expected a number or {N} of them, got {got}")));
        };
        let interpolation = match N {
            2 => read_interpolation(config, "nearest")?,
            _ => Interpolation::Nearest,
        };
        Ok(UpSampling { size, interpolation })
    }
}

impl UpSampling2D {
    /// What pixels between others are; by default the nearest.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }
}

impl<const N: usize> Layer for UpSampling<N> {
    fn class_name(&self) -> &'static str {
        class::<N>(["UpSampling1D", "UpSampling2D", "UpSampling3D"])
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        x.require_float()?;
        spatial::<N>(x)?;
        if self.size.contains(&0) {
            return Err(Error::Config(format!("argument `size`: expected at least 1, got {:?}", self.size)));
        }
        let mut spec = x.clone();
        for (extent, size) in spec.dims[1..].iter_mut().zip(self.size) {
            *extent = extent.map(|n| n.saturating_mul(size));
        }
        Ok(vec![spec])
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, _: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        let y = (1..).zip(self.size).try_fold(inputs[0].clone(), |x, (axis, size)| {
            x.resize(axis, x.shape()[axis as usize].saturating_mul(size), self.interpolation, false)
        })?;
        Ok(Tensors::from_elem(y, 1))
    }

    fn config(&self) -> Config {
        let mut config = object(json!({ "size": self.size[0] }));
        if N > 1 {
            config = object(json!({ "size": self.size.as_slice(), "data_format": "channels_last" }));
        }
        if N == 2 {
            config.insert("interpolation".into(), self.interpolation.name().into());
        }
        config
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
