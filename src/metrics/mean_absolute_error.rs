//! The mean absolute error, gathered over batches.

super::mean::of_loss!(MeanAbsoluteError);
