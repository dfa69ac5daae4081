//! The squared hinge loss, gathered over batches.

super::mean::of_loss!(SquaredHinge);
