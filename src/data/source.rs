//! Samples that are read when they are needed.

use super::Dataset;
use crate::error::{Error, Result};
use crate::files::npy;
use crate::tensor::Tensor;
use std::path::Path;

/// Samples that need not lie in memory: [`Trainer::fit_source`](crate::train::Trainer::fit_source) asks for batches of them,
/// two ahead, on a thread of their own. Files of pictures, a database, numbers that a simulation makes are sources of one's
/// own; [`NpyFiles`] is one, and a [`Dataset`] is.
#[allow(clippy::len_without_is_empty)]
pub trait Source: Send + Sync {
    /// How many samples there are, at least one.
    fn len(&self) -> usize;

    /// The samples of these numbers, in this order, on the CPU. The same numbers must give the same samples, or a run that is
    /// gone on with is another one.
    ///
    /// # Errors
    /// Whatever keeps them from being read; training ends with it.
    fn read(&self, indices: &[i32]) -> Result<Dataset>;
}

impl Source for Dataset {
    fn len(&self) -> usize {
        Dataset::len(self)
    }

    fn read(&self, indices: &[i32]) -> Result<Dataset> {
        self.gather(indices)
    }
}

/// Inputs and targets in `.npy` files, of which only the rows of a batch are in memory.
#[derive(Debug)]
pub struct NpyFiles {
    inputs: Vec<npy::Rows>,
    targets: Vec<npy::Rows>,
    len: usize,
}

impl NpyFiles {
    /// The rows of these files, in C order.
    ///
    /// # Errors
    /// As [`npy::Rows::open`]; no inputs, no rows, files of different numbers of rows.
    pub fn open<P: AsRef<Path>>(
        inputs: impl IntoIterator<Item = P>,
        targets: impl IntoIterator<Item = P>,
    ) -> Result<NpyFiles> {
        let mut len = None;
        let mut open = |path: P| {
            let rows = npy::Rows::open(&path)?;
            let (own, first) = (rows.shape()[0], *len.get_or_insert(rows.shape()[0]));
            if own == 0 || own != first {
                let message =
                    format!("has {own} rows, the first file {first}; each needs the same number, at least one");
                return Err(Error::file(path.as_ref(), message));
            }
            Ok(rows)
        };
        let inputs = inputs.into_iter().map(&mut open).collect::<Result<Vec<_>>>()?;
        let targets = targets.into_iter().map(&mut open).collect::<Result<Vec<_>>>()?;
        let len = len.filter(|_| !inputs.is_empty());
        let len = len.ok_or_else(|| Error::Data("a source needs at least one file of inputs".into()))?;
        Ok(NpyFiles { inputs, targets, len })
    }
}

impl Source for NpyFiles {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, indices: &[i32]) -> Result<Dataset> {
        let each = |files: &[npy::Rows]| {
            files.iter().map(|rows| Tensor::from_array(&rows.read(indices)?)).collect::<Result<Vec<_>>>()
        };
        Dataset::new(each(&self.inputs)?, each(&self.targets)?)
    }
}
