//! The largest specificity where the sensitivity, which is the recall, is large enough.

super::at_constraint::at_constraint! {
    /// The largest specificity where the sensitivity, which is the recall, is large enough
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#specificityatsensitivity-class)).
    SpecificityAtSensitivity at sensitivity;
    true_negatives of false_positives where true_positives of false_negatives
}
