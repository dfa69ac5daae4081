//! Rows of a `.npy` file that stays on the disk.

use super::npy::{HEADER, Header, read_header};
use super::{Array, open};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A `.npy` file whose rows, along its first axis, are read when they are asked for.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    file: File,
    header: Header,
}

impl Rows {
    /// Opens the file and reads what it says of itself.
    ///
    /// # Errors
    /// As [`read`](super::npy::read); an array without axes, or in Fortran's order, whose rows are scattered.
    pub fn open(path: impl AsRef<Path>) -> Result<Rows> {
        let path = path.as_ref();
        let (mut file, len) = open(path)?;
        let mut start = Vec::new();
        file.by_ref().take(HEADER as u64).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
        let header = read_header(&start, len, path)?;
        if header.fortran && header.shape.len() > 1 {
            let message = "is in Fortran's order, in which rows lie scattered: write it as np.save(file, np.ascontiguousarray(a))";
            return Err(Error::file(path, message));
        }
        if header.shape.is_empty() {
            return Err(Error::file(path, "holds a single number; the first axis must be the samples"));
        }
        Ok(Rows { path: path.into(), file, header })
    }

    /// The extent of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// The rows of these numbers.
    ///
    /// # Errors
    /// A number that no row has; a file that cannot be read any more.
    pub fn read(&self, rows: &[i32]) -> Result<Array> {
        let mut shape = self.header.shape.clone();
        let count = std::mem::replace(&mut shape[0], rows.len());
        let size = shape[1..].iter().product::<usize>() * self.header.number.size();
        let mut bytes = vec![0; rows.len() * size];
        for (i, &row) in rows.iter().enumerate() {
            let row = usize::try_from(row)
                .ok()
                .filter(|&row| row < count)
                .ok_or_else(|| Error::file(&self.path, format!("there is no row {row} of {count}")))?;
            let at = (self.header.start + row * size) as u64;
            let to = &mut bytes[i * size..(i + 1) * size];
            self.file.read_exact_at(to, at).map_err(|e| Error::io(&self.path, e))?;
        }
        self.header.number.decode(self.header.big_endian, shape, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::npy;

    #[test]
    fn rows_are_those_of_the_whole() -> Result<()> {
        let folder = tempfile::tempdir().map_err(|e| Error::io("", e))?;
        let path = folder.path().join("a.npy");
        let whole: Vec<f32> = (0..60).map(|i| i as f32 / 7.0).collect();
        npy::write(&path, &Array::from_slice(&[10, 2, 3], &whole)?)?;
        let rows = Rows::open(&path)?;
        assert_eq!(rows.shape(), [10, 2, 3]);
        let got = rows.read(&[9, 0, 9])?;
        assert_eq!(got.shape, [3, 2, 3]);
        assert_eq!(got.to_vec::<f32>()?, [&whole[54..], &whole[..6], &whole[54..]].concat());
        assert!(rows.read(&[10]).is_err() && rows.read(&[-1]).is_err());
        std::fs::write(&path, &std::fs::read(&path).map_err(|e| Error::io(&path, e))?[..200])
            .map_err(|e| Error::io(&path, e))?;
        assert!(Rows::open(&path).unwrap_err().to_string().contains("truncated"));
        assert!(rows.read(&[9]).is_err(), "the file has become shorter");
        Ok(())
    }
}
