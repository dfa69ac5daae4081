//! The means of windows.

use super::pooling::{Average, Pooling};

/// The mean of each window along one axis, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/average_pooling1d/)).
///
/// Input `(batch, steps, channels)`, output `(batch, new steps, channels)`. Defaults: those of [`Pooling`].
pub type AveragePooling1D = Pooling<Average, 1>;

/// The mean of each window over the two axes of an image, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/average_pooling2d/)).
///
/// Input `(batch, height, width, channels)`, output `(batch, new height, new width, channels)`. Defaults: those of [`Pooling`].
pub type AveragePooling2D = Pooling<Average, 2>;

/// The mean of each window over the three axes of a volume, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/average_pooling3d/)).
///
/// Input `(batch, …, channels)` with three spatial extents, output `(batch, …, channels)` with three new ones. Defaults: those of [`Pooling`].
pub type AveragePooling3D = Pooling<Average, 3>;

/// Keras's other name of [`AveragePooling1D`].
pub type AvgPool1D = AveragePooling1D;

/// Keras's other name of [`AveragePooling2D`].
pub type AvgPool2D = AveragePooling2D;

/// Keras's other name of [`AveragePooling3D`].
pub type AvgPool3D = AveragePooling3D;
