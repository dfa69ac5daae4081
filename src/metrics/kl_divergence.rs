//! The divergence of Kullback and Leibler, gathered over batches.

super::mean::of_loss!(KLDivergence);
