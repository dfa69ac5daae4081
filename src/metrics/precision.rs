//! The share of what was found that should be.

super::counts::share! {
    /// True positives / (true positives + false positives)
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#precision-class)).
    Precision true_positives false_positives
}
