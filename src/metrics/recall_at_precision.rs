//! The largest recall where the precision is large enough.

super::at_constraint::at_constraint! {
    /// The largest recall where the precision is large enough
    /// ([Keras](https://keras.io/api/metrics/classification_metrics/#recallatprecision-class)).
    RecallAtPrecision at precision;
    true_positives of false_negatives where true_positives of false_positives
}
