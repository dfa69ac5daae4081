//! The loss of counts.

use super::{EPSILON, plain};

plain! {
    /// p − t ln(p + 1e-7), averaged over the last axis: the negative logarithm of a Poisson distribution's probability,
    /// but for what does not depend on p ([Keras](https://keras.io/api/losses/probabilistic_losses/#poisson-class)).
    ///
    /// Targets t, of any dtype, and predictions p > 0: both `(batch, …, outputs)`; beside `(batch, 1)` the other may be
    /// `(batch)`. It is a metric too.
    Poisson |t, p| p.sub(&t.mul(&p.add_scalar(EPSILON)?.log()?)?)?.mean(&[-1], false)
}
