//! The mean squared difference of logarithms, gathered over batches.

super::mean::of_loss!(MeanSquaredLogarithmicError);
