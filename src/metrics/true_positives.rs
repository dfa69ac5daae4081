//! How many predictions rightly say yes.

super::counts::one_count! {
    /// How many predictions rightly say yes, or the sum of their weights
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#truepositives-class)).
    TruePositives true_positives
}
