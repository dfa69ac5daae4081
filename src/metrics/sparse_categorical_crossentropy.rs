//! The cross-entropy of labels, gathered over batches.

super::mean::of_cross_entropy!(SparseCategoricalCrossentropy: "from_logits" "ignore_class" "axis");
