//! The zip that a `.keras` file is: metadata.json, config.json, model.weights.h5, and what else is beside them.
//!
//! What is in the config and whose the weights are is for those who know layers.

pub(crate) mod object;

use super::{archive, h5};
use crate::config::Config;
use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const METADATA: &str = "metadata.json";
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";
/// What every file holds.
pub(crate) const ENTRIES: [&str; 3] = [METADATA, CONFIG, WEIGHTS];
/// The version whose format this is.
const KERAS_VERSION: &str = "3.15.1";
/// Bytes of a config: far more than any model has, and little enough to be held as a tree of values.
const MAX_CONFIG: usize = 8 << 20;

/// What is in a `.keras` file.
pub(crate) struct Contents {
    /// config.json.
    pub config: Value,
    entries: BTreeMap<String, Vec<u8>>,
    path: PathBuf,
}

impl Contents {
    /// Reads the `.keras` file `path`.
    ///
    /// # Errors
    /// A file that is damaged or not Keras 3's.
    pub fn read(path: &Path) -> Result<Contents> {
        Contents::of(archive::read(path)?, path)
    }

    /// The same for the bytes of a whole file; `path` is its name in errors.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Contents> {
        Contents::of(archive::parse(bytes, path)?, path)
    }

    fn of(mut entries: BTreeMap<String, Vec<u8>>, path: &Path) -> Result<Contents> {
        let metadata = json(archive::take(&mut entries, METADATA, path)?, METADATA, path)?;
        let version = metadata.get("keras_version").and_then(Value::as_str).unwrap_or("");
        if version.split('.').next() != Some("3") {
            let message = format!("was written by Keras `{}`; files of Keras 3 can be read", object::clip(version));
            return Err(Error::file(path, message));
        }
        let config = json(archive::take(&mut entries, CONFIG, path)?, CONFIG, path)?;
        Ok(Contents { config, entries, path: path.into() })
    }

    /// The arrays of model.weights.h5, once.
    pub fn weights(&mut self) -> Result<h5::Tree> {
        h5::read(archive::take(&mut self.entries, WEIGHTS, &self.path)?, &self.path)
    }

    /// The entries beside those that every file holds.
    pub fn rest(self) -> BTreeMap<String, Vec<u8>> {
        let known = |name: &str| ENTRIES.contains(&name);
        self.entries.into_iter().filter(|(name, _)| !known(name)).collect()
    }

    /// An error of what is in the file, with the file's name.
    pub fn in_file(&self, error: Error) -> Error {
        match error {
            Error::File { .. } | Error::Io { .. } => error,
            other => Error::file(&self.path, other.to_string()),
        }
    }
}

/// Writes a `.keras` file, atomically: config.json, the arrays of model.weights.h5, and what else is beside them.
///
/// # Errors
/// A name that does not end in `.keras`; a file that cannot be written; a config too long to be read again.
pub(crate) fn write(path: &Path, config: Config, weights: h5::Tree, rest: &[(&str, &[u8])]) -> Result<()> {
    check_name(path)?;
    let metadata = json!({"keras_version": KERAS_VERSION, "date_saved": date(SystemTime::now())}).to_string();
    let config = Value::Object(config).to_string();
    check_length(config.len(), CONFIG, path)?;
    let packed = h5::write(&weights, path)?;
    drop(weights);
    let own = [(METADATA, metadata.as_bytes()), (CONFIG, config.as_bytes()), (WEIGHTS, &packed)];
    archive::write(path, own.iter().chain(rest).copied())
}

/// Keras opens a file as what its name says that it is.
pub(crate) fn check_name(path: &Path) -> Result<()> {
    if path.extension().is_some_and(|e| e == "keras") {
        return Ok(());
    }
    Err(Error::file(path, "expected a name that ends in .keras, as Keras does"))
}

fn json(bytes: Vec<u8>, name: &str, path: &Path) -> Result<Value> {
    check_length(bytes.len(), name, path)?;
    serde_json::from_slice(&bytes).map_err(|e| Error::file(path, format!("`{name}` is no whole JSON: {e}")))
}

fn check_length(bytes: usize, name: &str, path: &Path) -> Result<()> {
    if bytes > MAX_CONFIG {
        return Err(Error::file(path, format!("`{name}` has {bytes} bytes; at most {MAX_CONFIG} are read")));
    }
    Ok(())
}

/// `2026-01-31@23:59:59`, in UTC.
fn date(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let mut left = days;
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= months[month] {
        left -= months[month];
        month += 1;
    }
    let (h, m, s) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{:02}-{:02}@{h:02}:{m:02}:{s:02}", month + 1, left + 1)
}

#[cfg(test)]
mod tests {
    use super::date;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01@00:00:00");
        assert_eq!(at(951_782_400), "2000-02-29@00:00:00");
        assert_eq!(at(1_767_225_599), "2025-12-31@23:59:59");
        assert_eq!(at(4_107_542_399), "2100-02-28@23:59:59");
        assert_eq!(at(4_107_542_400), "2100-03-01@00:00:00");
    }
}
