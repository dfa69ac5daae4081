//! How many predictions wrongly say yes.

super::counts::one_count! {
    /// How many predictions wrongly say yes, or the sum of their weights
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#falsepositives-class)).
    FalsePositives false_positives
}
