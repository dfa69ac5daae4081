//! The mean squared difference of logarithms.

use super::{EPSILON, plain};

plain! {
    /// (ln(1 + t) − ln(1 + p))², averaged over the last axis; t and p are at least 1e-7
    /// ([Keras](https://keras.io/api/losses/regression_losses/#meansquaredlogarithmicerror-class)).
    ///
    /// Targets t, of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the other may be
    /// `(batch)`. It is a metric too.
    MeanSquaredLogarithmicError |t, p| {
        let [t, p] = [t, p].map(|x| x.clip(EPSILON, f64::INFINITY)?.add_scalar(1.0)?.log());
        p?.sub(&t?)?.square()?.mean(&[-1], false)
    }
}
