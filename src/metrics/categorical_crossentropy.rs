//! The cross-entropy of class probabilities, gathered over batches.

super::mean::of_cross_entropy!(CategoricalCrossentropy: "from_logits" "label_smoothing" "axis");
