//! The largest elements of whole channels.

use super::pooling::{GlobalPooling, Max};

/// The largest of all elements along one axis, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/global_max_pooling1d/)).
///
/// Input `(batch, steps, channels)`, output `(batch, channels)`, or with `keepdims` the input's axes, the spatial
/// ones of extent 1.
pub type GlobalMaxPooling1D = GlobalPooling<Max, 1>;

/// The largest of all elements over the two axes of an image, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/global_max_pooling2d/)).
///
/// Input `(batch, height, width, channels)`, output `(batch, channels)`, or with `keepdims` the input's axes, the
/// spatial ones of extent 1.
pub type GlobalMaxPooling2D = GlobalPooling<Max, 2>;

/// The largest of all elements over the three axes of a volume, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/global_max_pooling3d/)).
///
/// Input `(batch, …, channels)` with three spatial extents, output `(batch, channels)`, or with `keepdims` the
/// input's axes, the spatial ones of extent 1.
pub type GlobalMaxPooling3D = GlobalPooling<Max, 3>;

/// Keras's other name of [`GlobalMaxPooling1D`].
pub type GlobalMaxPool1D = GlobalMaxPooling1D;

/// Keras's other name of [`GlobalMaxPooling2D`].
pub type GlobalMaxPool2D = GlobalMaxPooling2D;

/// Keras's other name of [`GlobalMaxPooling3D`].
pub type GlobalMaxPool3D = GlobalMaxPooling3D;
