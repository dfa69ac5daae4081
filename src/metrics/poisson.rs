//! The loss of counts, gathered over batches.

super::mean::of_loss!(Poisson);
