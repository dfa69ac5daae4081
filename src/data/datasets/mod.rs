//! The data sets that come with the project, in its folder `datasets/`, and larger ones that `scripts/fetch-data` fetches.

mod cifar10;
mod cmudict;
mod emoji;
mod fashion_mnist;
mod movie_reviews;
mod shakespeare;
mod translations;
mod weather;

pub use cifar10::{CIFAR10_CLASSES, cifar10};
pub use cmudict::{Spoken, cmudict, pronunciations};
pub use emoji::{EMOJI_CATEGORIES, Emoji, EmojiSet, emoji};
pub use fashion_mnist::{FASHION_MNIST_CLASSES, fashion_mnist};
pub use movie_reviews::movie_reviews;
pub use shakespeare::{Work, shakespeare};
pub use translations::{Translation, translations};
pub use weather::weather;

use super::{Dataset, Table};
use crate::error::{Error, Result};
use crate::files::{Array, idx, read_file, repository};
use crate::tensor::Tensor;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where the data sets are: `$UNCRUMPLE_DATASETS` if it is set, else `datasets/` below the working folder, or that of the
/// source tree.
///
/// # Errors
/// There is no such folder.
pub fn folder() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("UNCRUMPLE_DATASETS").map(PathBuf::from) {
        return match given.is_dir() {
            true => Ok(given),
            false => Err(Error::file(
                given,
                "is no folder: UNCRUMPLE_DATASETS must name one such as the project's `datasets/`",
            )),
        };
    }
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets").into();
    let candidates = ["datasets".into(), repository().join("datasets"), built];
    candidates.into_iter().find(|p| p.is_dir()).ok_or_else(|| {
        Error::Data("no folder `datasets` here: run from the project's folder, or set UNCRUMPLE_DATASETS to it".into())
    })
}

/// Where a set is that `scripts/fetch-data` fetches: in the [`folder`], or in `.cache/datasets/` beside it or in the
/// source tree, where the script puts it.
///
/// # Errors
/// It is in none of them.
fn fetched(name: &str) -> Result<PathBuf> {
    const CACHE: &str = ".cache/datasets";
    let folder = folder()?;
    let folder = folder.canonicalize().unwrap_or(folder);
    let beside = folder.parent().map(|parent| parent.join(CACHE));
    let mut places: Vec<PathBuf> =
        [Some(folder), beside, Some(repository().join(CACHE))].into_iter().flatten().collect();
    places.dedup();
    places.iter().map(|place| place.join(name)).find(|p| p.is_dir()).ok_or_else(|| {
        let places: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
        let message = format!("{name} does not come with the project: `scripts/fetch-data {name}` fetches it");
        Error::Data(format!("{message}; it is not in {}", places.join(", ")))
    })
}

/// MNIST: 60 000 pictures of handwritten digits to train on, 10 000 to test (LeCun, Cortes, Burges).
///
/// Pictures are float32 (n, 28, 28, 1) in [0, 1], labels int32 (n,).
///
/// # Errors
/// The folder `datasets/mnist` is not there, or not what it was.
pub fn mnist() -> Result<(Dataset, Dataset)> {
    idx_pictures(&folder()?.join("mnist"))
}

/// The four files of MNIST, and of those sets that are told to be like it: grey pictures of 28 × 28 pixels.
fn idx_pictures(folder: &Path) -> Result<(Dataset, Dataset)> {
    let set = |name: &str| -> Result<Dataset> {
        let pictures = tensor(idx::read(folder.join(format!("{name}-images-idx3-ubyte.gz")))?)?;
        let labels = tensor(idx::read(folder.join(format!("{name}-labels-idx1-ubyte.gz")))?)?;
        let n = labels.shape().size();
        let pictures = pictures.cast(crate::DType::F32)?.mul_scalar(1.0 / 255.0)?.reshape([n, 28, 28, 1])?;
        Dataset::new(pictures, labels.cast(crate::DType::I32)?)
    };
    Ok((set("train")?, set("t10k")?.held_out()))
}

/// Boston housing: 506 census tracts, 13 numbers about each, and the median value of its homes in thousands of dollars
/// (Harrison and Rubinfeld, 1978); 404 to train on, and every fifth, 102 in all, to test.
///
/// Numbers are float32 (n, 13) as they are, for a [`crate::layers::Normalization`] to scale; values float32 (n, 1).
///
/// # Errors
/// The folder `datasets/boston-housing` is not there, or not what it was.
pub fn boston_housing() -> Result<(Dataset, Dataset)> {
    const COLUMNS: usize = 14;
    let path = folder()?.join("boston-housing/data.csv");
    let text = String::from_utf8(read_file(&path)?).map_err(|_| Error::file(&path, "is no text"))?;
    let mut sets: [(Vec<f32>, Vec<f32>); 2] = Default::default();
    for (i, line) in text.lines().skip(1).enumerate() {
        let row: Vec<f32> = line.split(',').map_while(|cell| cell.trim().parse().ok()).collect();
        let (Some((value, features)), COLUMNS) = (row.split_last(), row.len()) else {
            return Err(Error::file(&path, format!("line {} does not hold {COLUMNS} numbers", i + 2)));
        };
        let (x, y) = &mut sets[usize::from(i % 5 == 0)];
        x.extend(features);
        y.push(*value);
    }
    let set = |(x, y): &(Vec<f32>, Vec<f32>)| -> Result<Dataset> {
        Dataset::new(Tensor::from_slice(x, [y.len(), COLUMNS - 1])?, Tensor::from_slice(y, [y.len(), 1])?)
    };
    let [train, test] = &sets;
    Ok((set(train)?, set(test)?.held_out()))
}

/// [`boston_housing`] as the table that it is: 506 rows, 13 columns to learn from and `medv`.
///
/// # Errors
/// The folder `datasets/boston-housing` is not there, or not what it was.
pub fn boston_housing_table() -> Result<Table> {
    Table::read(folder()?.join("boston-housing/data.csv"))
}

/// A text that is packed.
fn unzipped(path: &Path) -> Result<String> {
    let mut text = String::new();
    let bytes = read_file(path)?;
    // No text packs better than this.
    let most = 64 * bytes.len() as u64;
    let read = flate2::read::GzDecoder::new(&bytes[..]).take(most).read_to_string(&mut text);
    read.map_err(|e| Error::file(path, format!("is no whole gzipped text: {e}")))?;
    Ok(text)
}

fn tensor(array: Array) -> Result<Tensor> {
    Tensor::from_array(&array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boston_housing_is_whole() -> Result<()> {
        let (train, test) = boston_housing()?;
        assert_eq!((train.len(), test.len()), (404, 102));
        assert_eq!(test.inputs()[0].slice(0, 0..1)?.to_vec::<f32>()?[..3], [0.00632, 18.0, 2.31]);
        let values = [train.targets()[0].to_vec::<f32>()?, test.targets()[0].to_vec::<f32>()?].concat();
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        assert!((mean - 22.533).abs() < 1e-3, "{mean}");
        Ok(())
    }
}
