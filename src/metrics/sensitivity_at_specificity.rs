//! The largest sensitivity, which is the recall, where the specificity is large enough.

super::at_constraint::at_constraint! {
    /// The largest sensitivity, which is the recall, where the specificity is large enough
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#sensitivityatspecificity-class)).
    SensitivityAtSpecificity at specificity;
    true_positives of false_negatives where true_negatives of false_positives
}
