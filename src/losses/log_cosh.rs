//! The logarithm of the error's hyperbolic cosine.

use super::plain;
use std::f64::consts::LN_2;

plain! {
    /// ln cosh(p − t), averaged over the last axis
    /// ([Keras](https://keras.io/api/losses/regression_losses/#logcosh-class)).
    ///
    /// About e² / 2 of small errors e and |e| − ln 2 of large ones, computed as e + softplus(−2e) − ln 2, which does
    /// not overflow. Targets t, of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the
    /// other may be `(batch)`. As a metric it is `LogCoshError`, in logs `logcosh`.
    LogCosh |t, p| {
        let error = p.sub(t)?;
        error.add(&error.mul_scalar(-2.0)?.softplus()?)?.add_scalar(-LN_2)?.mean(&[-1], false)
    }
}
