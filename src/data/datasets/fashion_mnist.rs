//! Pictures of clothes, in MNIST's format.

use super::{fetched, idx_pictures};
use crate::data::Dataset;
use crate::error::Result;

/// What the classes of [`fashion_mnist`] are called.
pub const FASHION_MNIST_CLASSES: [&str; 10] =
    ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Fashion-MNIST: 60 000 pictures of clothes to train on, 10 000 to test
/// ([Xiao, Rasul and Vollgraf](https://arxiv.org/abs/1708.07747), 2017). `scripts/fetch-data fashion-mnist` fetches it.
///
/// Pictures are float32 (n, 28, 28, 1) in [0, 1], labels int32 (n,), places in [`FASHION_MNIST_CLASSES`].
///
/// # Errors
/// It was not fetched, or is not what it was.
pub fn fashion_mnist() -> Result<(Dataset, Dataset)> {
    idx_pictures(&fetched("fashion-mnist")?)
}
