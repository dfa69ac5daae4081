//! Files: what comes in from NumPy, MNIST, cameras and Keras, and what goes out to them.
//!
//! Every format reads into an [`Array`] and is written from one; this room knows no tensor and no device. Whatever is
//! in a file, reading it ends in an array or in an [`Error`] that names the file: sizes that a file declares are held
//! against its length before memory is asked for, and a panic inside a parser crate becomes an error. Whatever is
//! written goes through `atomic_write`, so that a full disk leaves the old file as it was.

pub(crate) mod archive;
mod array;
mod atomic;
pub(crate) mod h5;
#[cfg(test)]
mod hostile;
pub mod idx;
pub mod image;
pub(crate) mod keras;
pub mod npy;
mod npy_rows;
pub mod safetensors;

pub use array::Array;
pub(crate) use array::Number;
pub use atomic::{atomic_write, prepare};

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The project's folder, for tests and the data sets that come with it: where cargo, or the script that runs tests on
/// another machine, says that it is, else where the crate was built.
#[doc(hidden)]
pub fn repository() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// The whole of a regular file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let (mut file, len) = open(path)?;
    let mut bytes = Vec::new();
    let capacity = usize::try_from(len).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(capacity).map_err(|e| Error::file(path, format!("does not fit in memory: {e}")))?;
    file.read_to_end(&mut bytes).map_err(|e| Error::io(path, e))?;
    Ok(bytes)
}

/// A regular file, and how long it is.
fn open(path: &Path) -> Result<(File, u64)> {
    let metadata = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if !metadata.is_file() {
        // A device or a pipe has no length to hold the declared sizes against, and may never end; to open a pipe that
        // nobody writes to would not end either.
        return Err(Error::file(path, "is not a regular file"));
    }
    Ok((File::open(path).map_err(|e| Error::io(path, e))?, metadata.len()))
}

/// Runs a parser that is not ours: should it panic on a damaged file, the panic becomes an error.
pub(crate) fn guard<T>(path: &Path, what: &str, parse: impl FnOnce() -> Result<T>) -> Result<T> {
    // Nothing of a parser that panicked is looked at again, so that its broken invariants cannot be observed.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(parse))
        .unwrap_or_else(|_| Err(Error::file(path, format!("is damaged: the {what} reader gave up on it"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_that_panics_is_an_error() {
        let failed = guard::<()>(Path::new("w.h5"), "HDF5", || panic!("a test's own panic"));
        assert_eq!(failed.unwrap_err().to_string(), "w.h5: is damaged: the HDF5 reader gave up on it");
        assert!(matches!(guard(Path::new("w.h5"), "HDF5", || Ok(1)), Ok(1)));
    }

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read_file(&folder.path().join("none")), Err(Error::Io { .. })));
        assert!(read_file(folder.path()).is_err());
        #[cfg(unix)]
        {
            assert!(matches!(read_file(Path::new("/dev/zero")), Err(Error::File { .. })));
            let pipe = folder.path().join("pipe");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            assert!(matches!(read_file(&pipe), Err(Error::File { .. })));
            assert!(matches!(archive::read(&pipe), Err(Error::File { .. })));
        }
    }
}
