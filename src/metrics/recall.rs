//! The share of what should be found that was.

super::counts::share! {
    /// True positives / (true positives + false negatives)
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#recall-class)).
    Recall true_positives false_negatives
}
