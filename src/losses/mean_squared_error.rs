//! The mean squared error.

use super::plain;

plain! {
    /// (t − p)², averaged over the last axis
    /// ([Keras](https://keras.io/api/losses/regression_losses/#meansquarederror-class)).
    ///
    /// Targets t, of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the other may be
    /// `(batch)`. It is a metric too.
    MeanSquaredError |t, p| p.sub(t)?.square()?.mean(&[-1], false)
}
