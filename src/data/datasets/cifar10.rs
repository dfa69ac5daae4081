//! Small pictures of animals and vehicles.

use super::{fetched, tensor};
use crate::data::{ColorMode, Dataset};
use crate::error::{Error, Result};
use crate::files::{image, read_file};
use crate::tensor::Tensor;

/// What the classes of [`cifar10`] are called.
pub const CIFAR10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The files with the pictures to train on.
const BATCHES: [&str; 5] = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"];

/// CIFAR-10: 50 000 pictures of animals and vehicles to train on, 10 000 to test
/// ([Krizhevsky](https://www.cs.toronto.edu/~kriz/cifar.html), 2009). `scripts/fetch-data cifar10` fetches it.
///
/// Pictures are uint8 (n, 32, 32, 3), for a [`Rescaling`](crate::layers::Rescaling) to scale; labels int32 (n,), places in
/// [`CIFAR10_CLASSES`].
///
/// # Errors
/// It was not fetched, or is not what it was.
pub fn cifar10() -> Result<(Dataset, Dataset)> {
    let folder = fetched("cifar10")?;
    // A row of such a file is a picture of 32 × 32 pixels.
    let pictures = |name: &str| -> Result<Tensor> {
        let path = folder.join(format!("{name}.png"));
        let rows = tensor(image::read(&path, ColorMode::Rgb)?)?;
        match rows.shape()[..] {
            [n, 1024, 3] => rows.reshape([n, 32, 32, 3]),
            _ => Err(Error::file(path, format!("expected rows of 1024 pixels, got shape {}", rows.shape()))),
        }
    };
    let labels = |name: &str| -> Result<Tensor> {
        let path = folder.join(format!("{name}_lables.json"));
        let damaged = |what: String| Error::file(&path, format!("is no list of labels from 0 to 9: {what}"));
        let labels: Vec<i32> = serde_json::from_slice(&read_file(&path)?).map_err(|e| damaged(e.to_string()))?;
        match labels.iter().find(|label| !(0..10).contains(*label)) {
            Some(label) => Err(damaged(format!("it holds {label}"))),
            None => Tensor::from_slice(&labels, labels.len()),
        }
    };
    let train = BATCHES.into_iter().map(pictures).collect::<Result<Vec<_>>>()?;
    let train = Tensor::concatenate(&train.iter().collect::<Vec<_>>(), 0)?;
    let train = Dataset::new(train, labels("train")?)?;
    Ok((train, Dataset::new(pictures("test_batch")?, labels("test")?)?.held_out()))
}
