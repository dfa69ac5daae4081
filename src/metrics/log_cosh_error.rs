//! The logarithm of the error's hyperbolic cosine, gathered over batches.

super::mean::of_loss!(LogCosh as "LogCoshError" "logcosh");
