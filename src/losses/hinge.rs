//! The hinge loss.

use super::{plain, signs};

plain! {
    /// max(1 − t p, 0), averaged over the last axis
    /// ([Keras](https://keras.io/api/losses/hinge_losses/#hinge-class)).
    ///
    /// Targets t, −1 or 1, of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the other
    /// may be `(batch)`. Where all targets of a batch are 0 or 1, a 0 means −1. It is a metric too.
    Hinge |t, p| signs(t)?.mul(p)?.rescale(-1.0, 1.0)?.relu()?.mean(&[-1], false)
}
