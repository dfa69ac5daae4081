//! The hinge loss of several classes.

use super::plain;

plain! {
    /// max(1 + max((1 − t) p) − Σ t p, 0) over the classes
    /// ([Keras](https://keras.io/api/losses/hinge_losses/#categoricalhinge-class)).
    ///
    /// Targets t, one-hot, of any dtype, and predictions p: both `(batch, …, classes)`. It is a metric too.
    CategoricalHinge |t, p| {
        let wrong = t.rescale(-1.0, 1.0)?.mul(p)?.max(&[-1], false)?;
        wrong.sub(&t.mul(p)?.sum(&[-1], false)?)?.add_scalar(1.0)?.relu()
    }
}
