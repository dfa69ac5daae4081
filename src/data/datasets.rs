//! The data sets that come with the project, in its folder `datasets/`.

use super::Dataset;
use crate::error::{Error, Result};
use crate::files::{Array, idx, repository};
use crate::tensor::Tensor;
use std::path::PathBuf;

/// Where the data sets are: `$UNCRUMPLE_DATASETS` if it is set, else `datasets/` below the working folder, or that of the
/// source tree.
///
/// # Errors
/// There is no such folder.
pub fn folder() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("UNCRUMPLE_DATASETS").map(PathBuf::from) {
        return match given.is_dir() {
            true => Ok(given),
            false => Err(Error::file(given, "is no folder: UNCRUMPLE_DATASETS must name one that holds `mnist/`")),
        };
    }
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets").into();
    let candidates = ["datasets".into(), repository().join("datasets"), built];
    candidates.into_iter().find(|p| p.is_dir()).ok_or_else(|| {
        Error::Data("no folder `datasets` here: run from the project's folder, or set UNCRUMPLE_DATASETS to it".into())
    })
}

/// MNIST: 60 000 pictures of handwritten digits to train on, 10 000 to test (LeCun, Cortes, Burges).
///
/// Pictures are float32 (n, 28, 28, 1) in [0, 1], labels int32 (n,).
///
/// # Errors
/// The folder `datasets/mnist` is not there, or not what it was.
pub fn mnist() -> Result<(Dataset, Dataset)> {
    let folder = folder()?.join("mnist");
    let set = |name: &str| -> Result<Dataset> {
        let pictures = tensor(idx::read(folder.join(format!("{name}-images-idx3-ubyte.gz")))?)?;
        let labels = tensor(idx::read(folder.join(format!("{name}-labels-idx1-ubyte.gz")))?)?;
        let n = labels.shape().size();
        let pictures = pictures.cast(crate::DType::F32)?.mul_scalar(1.0 / 255.0)?.reshape([n, 28, 28, 1])?;
        Dataset::new(pictures, labels.cast(crate::DType::I32)?)
    };
    Ok((set("train")?, set("t10k")?))
}

fn tensor(array: Array) -> Result<Tensor> {
    Tensor::from_array(&array)
}
