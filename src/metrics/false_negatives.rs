//! How many predictions wrongly say no.

super::counts::one_count! {
    /// How many predictions wrongly say no, or the sum of their weights
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#falsenegatives-class)).
    FalseNegatives false_negatives
}
