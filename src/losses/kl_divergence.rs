//! The divergence of Kullback and Leibler.

use super::{EPSILON, plain};

plain! {
    /// Σ t ln(t / p) over the last axis; t and p are kept within [1e-7, 1]
    /// ([Keras](https://keras.io/api/losses/probabilistic_losses/#kldivergence-class)).
    ///
    /// Targets t and predictions p, two distributions: both `(batch, …, classes)`. It is a metric too.
    KLDivergence |t, p| {
        let (t, p) = (t.clip(EPSILON, 1.0)?, p.clip(EPSILON, 1.0)?);
        t.mul(&t.div(&p)?.log()?)?.sum(&[-1], false)
    }
}
