//! The largest precision where the recall is large enough.

super::at_constraint::at_constraint! {
    /// The largest precision where the recall is large enough
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#precisionatrecall-class)).
    PrecisionAtRecall at recall;
    true_positives of false_positives where true_positives of false_negatives
}
