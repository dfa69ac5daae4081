//! The mean squared error, gathered over batches.

super::mean::of_loss!(MeanSquaredError);
