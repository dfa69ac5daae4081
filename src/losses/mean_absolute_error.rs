//! The mean absolute error.

use super::plain;

plain! {
    /// |t − p|, averaged over the last axis
    /// ([Keras](https://keras.io/api/losses/regression_losses/#meanabsoluteerror-class)).
    ///
    /// Targets t, of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the other may be
    /// `(batch)`. It is a metric too.
    MeanAbsoluteError |t, p| p.sub(t)?.abs()?.mean(&[-1], false)
}
