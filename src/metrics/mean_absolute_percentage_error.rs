//! The mean absolute error in percent of the target, gathered over batches.

super::mean::of_loss!(MeanAbsolutePercentageError);
