//! The cross-entropy of yes and no, gathered over batches.

super::mean::of_cross_entropy!(BinaryCrossentropy: "from_logits" "label_smoothing");
