//! The mean absolute error in percent of the target.

use super::{EPSILON, plain};

plain! {
    /// 100 |t − p| / max(|t|, 1e-7), averaged over the last axis
    /// ([Keras](https://keras.io/api/losses/regression_losses/#meanabsolutepercentageerror-class)).
    ///
    /// Targets t, of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the other may be
    /// `(batch)`. A target of 0 makes it huge. It is a metric too.
    MeanAbsolutePercentageError |t, p| {
        let share = p.sub(t)?.abs()?.div(&t.abs()?.clip(EPSILON, f64::INFINITY)?)?;
        share.mean(&[-1], false)?.mul_scalar(100.0)
    }
}
