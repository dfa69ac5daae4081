//! How many predictions rightly say no.

super::counts::one_count! {
    /// How many predictions rightly say no, or the sum of their weights
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#truenegatives-class)).
    TrueNegatives true_negatives
}
