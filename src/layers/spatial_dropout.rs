//! Dropout of whole channels.

use super::{Call, Config, Dropout, Layer, Spec, WeightSpec, one, spatial};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, Tensors};

/// [`Dropout`] of whole channels of a sequence
/// ([Keras](https://keras.io/api/layers/regularization_layers/spatial_dropout1d/),
/// [paper](https://arxiv.org/abs/1411.4280)).
///
/// Input `(batch, steps, channels)`. Defaults: those of [`SpatialDropout`].
pub type SpatialDropout1D = SpatialDropout<1>;

/// [`Dropout`] of whole channels of an image
/// ([Keras](https://keras.io/api/layers/regularization_layers/spatial_dropout2d/)).
///
/// Input `(batch, height, width, channels)`. Defaults: those of [`SpatialDropout`].
pub type SpatialDropout2D = SpatialDropout<2>;

/// [`Dropout`] of whole channels of a volume
/// ([Keras](https://keras.io/api/layers/regularization_layers/spatial_dropout3d/)).
///
/// Input `(batch, …, channels)` with three spatial extents. Defaults: those of [`SpatialDropout`].
pub type SpatialDropout3D = SpatialDropout<3>;

/// [`Dropout`] that keeps or drops a channel of a sample along all of `N` spatial axes.
///
/// Input `(batch, …, channels)` of a floating-point dtype, output of the same shape. No weights.
#[derive(Clone, Debug)]
pub struct SpatialDropout<const N: usize>(Dropout);

impl<const N: usize> SpatialDropout<N> {
    /// A layer that drops a fraction `rate` of the channels, from 0 to 1.
    pub fn new(rate: f64) -> Self {
        SpatialDropout(Dropout::new(rate).noise_shape(noise_shape::<N>()))
    }

    /// The layer that a Keras config describes.
    pub(super) fn from_config(config: &Config) -> Result<Self> {
        spatial::channels_last(config)?;
        Ok(SpatialDropout(Dropout::from_config(config)?.noise_shape(noise_shape::<N>())))
    }
}

/// The batch's extent and the channels', and 1 for what lies between.
fn noise_shape<const N: usize>() -> Vec<Option<usize>> {
    [None].into_iter().chain([Some(1); N]).chain([None]).collect()
}

impl<const N: usize> Layer for SpatialDropout<N> {
    fn class_name(&self) -> &'static str {
        const { ["SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"][N - 1] }
    }

    fn output_spec(&self, inputs: &[Spec]) -> Result<Vec<Spec>> {
        let x = one(inputs)?;
        if x.rank() != N + 2 {
            let message = format!("expected {} axes (batch, {N} spatial, channels), got shape {x}", N + 2);
            return Err(Error::Input(message));
        }
        self.0.output_spec(inputs)
    }

    fn weights(&self, _: &[Spec]) -> Result<Vec<WeightSpec>> {
        Ok(vec![])
    }

    fn forward(&self, call: &mut Call, inputs: &[&Tensor]) -> Result<Tensors> {
        self.0.forward(call, inputs)
    }

    fn config(&self) -> Config {
        let mut config = self.0.config();
        config.remove("noise_shape");
        // Keras's has the other argument for more axes than one.
        if N > 1 {
            config.insert("data_format".into(), "channels_last".into());
        }
        config
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn is_samplewise(&self, _: bool) -> bool {
        true
    }
}
