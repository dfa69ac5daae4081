//! The hinge loss of several classes, gathered over batches.

super::mean::of_loss!(CategoricalHinge);
