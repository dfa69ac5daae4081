//! The largest elements of windows.

use super::pooling::{Max, Pooling};

/// The largest element of each window along one axis, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/max_pooling1d/)).
///
/// Input `(batch, steps, channels)`, output `(batch, new steps, channels)`. Defaults: those of [`Pooling`].
pub type MaxPooling1D = Pooling<Max, 1>;

/// The largest element of each window over the two axes of an image, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/max_pooling2d/)).
///
/// Input `(batch, height, width, channels)`, output `(batch, new height, new width, channels)`. Defaults: those of [`Pooling`].
pub type MaxPooling2D = Pooling<Max, 2>;

/// The largest element of each window over the three axes of a volume, channel by channel
/// ([Keras](https://keras.io/api/layers/pooling_layers/max_pooling3d/)).
///
/// Input `(batch, …, channels)` with three spatial extents, output `(batch, …, channels)` with three new ones. Defaults: those of [`Pooling`].
pub type MaxPooling3D = Pooling<Max, 3>;

/// Keras's other name of [`MaxPooling1D`].
pub type MaxPool1D = MaxPooling1D;

/// Keras's other name of [`MaxPooling2D`].
pub type MaxPool2D = MaxPooling2D;

/// Keras's other name of [`MaxPooling3D`].
pub type MaxPool3D = MaxPooling3D;
