//! The means of whole channels.

use super::pooling::{Average, GlobalPooling};

/// The mean of all elements along one axis, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/global_average_pooling1d/)).
///
/// Input `(batch, steps, channels)`, output `(batch, channels)`, or with `keepdims` the input's axes, the spatial
/// ones of extent 1. With a mask `(batch, steps)` it is the mean of the steps that count, and NaN where there are none, as in
/// Keras; the output has no mask.
pub type GlobalAveragePooling1D = GlobalPooling<Average, 1>;

/// The mean of all elements over the two axes of an image, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/global_average_pooling2d/)).
///
/// Input `(batch, height, width, channels)`, output `(batch, channels)`, or with `keepdims` the input's axes, the
/// spatial ones of extent 1.
pub type GlobalAveragePooling2D = GlobalPooling<Average, 2>;

/// The mean of all elements over the three axes of a volume, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/global_average_pooling3d/)).
///
/// Input `(batch, …, channels)` with three spatial extents, output `(batch, channels)`, or with `keepdims` the
/// input's axes, the spatial ones of extent 1.
pub type GlobalAveragePooling3D = GlobalPooling<Average, 3>;

/// Keras's other name of [`GlobalAveragePooling1D`].
pub type GlobalAvgPool1D = GlobalAveragePooling1D;

/// Keras's other name of [`GlobalAveragePooling2D`].
pub type GlobalAvgPool2D = GlobalAveragePooling2D;

/// Keras's other name of [`GlobalAveragePooling3D`].
pub type GlobalAvgPool3D = GlobalAveragePooling3D;
