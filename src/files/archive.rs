//! The zip around `.keras` and `.npz` files.

use crate::error::{Error, Result};
use crate::files::{atomic_write, guard, open};
use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// What a byte packed by deflate becomes at most.
pub(crate) const MOST_PACKED: u64 = 1032;

/// How much an archive may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Entries.
    pub entries: usize,
    /// Bytes of all entries together, unpacked.
    pub bytes: u64,
}

impl Limits {
    /// What an honest archive of `len` bytes may hold.
    ///
    /// Deflate packs no better than 1 : 1032, and Keras packs weights not at all.
    pub fn of_file(len: u64) -> Limits {
        Limits { entries: 10_000, bytes: len.saturating_mul(MOST_PACKED).min(Limits::harmless(len)) }
    }

    /// Bytes that a file of `len` may become: more than a hundredfold, beyond a size that does no harm, is a bomb. Keras
    /// draws the same line for archives, but only above 4 GiB.
    pub fn harmless(len: u64) -> u64 {
        len.saturating_mul(100).max(1 << 28)
    }
}

/// Everything in the zip file `path`, by name, within [`Limits::of_file`].
///
/// # Errors
/// [`Error::File`] if it is truncated or damaged, holds too much, or has names that no `.keras` file has.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let (file, len) = open(path)?;
    read_from(BufReader::new(file), Limits::of_file(len), path)
}

/// The same for the bytes of a zip file; `path` is its name in errors.
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    read_from(Cursor::new(bytes), Limits::of_file(bytes.len() as u64), path)
}

/// The same for any source, within `limits`; `path` is its name in errors.
pub(crate) fn read_from(source: impl Read + Seek, limits: Limits, path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    guard(path, "zip", || unpack(source, limits, path))
}

fn unpack(mut source: impl Read + Seek, limits: Limits, path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let bad = |message: String| Error::file(path, message);
    let mut start = Vec::new();
    source.by_ref().take(8).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    if start == *b"\x89HDF\r\n\x1a\n" {
        return Err(bad("is an HDF5 file, as Keras 2 wrote models: save it as .keras with Keras 3".into()));
    }
    source.rewind().map_err(|e| Error::io(path, e))?;
    let mut zip = ZipArchive::new(source)
        .map_err(|e| bad(format!("is not a whole zip archive, as .keras and .npz files are: {e}")))?;
    if zip.len() > limits.entries {
        return Err(bad(format!("holds {} entries; at most {} are read", zip.len(), limits.entries)));
    }
    if zip.has_duplicate_names() {
        return Err(bad("holds two entries of one name".into()));
    }
    let mut entries = BTreeMap::new();
    let mut left = limits.bytes;
    for i in 0..zip.len() {
        let entry = zip.by_index(i).map_err(|e| bad(format!("entry {i} cannot be read: {e}")))?;
        let raw = entry.name_raw().to_vec();
        let Some(name) = std::str::from_utf8(&raw).ok().filter(|name| plain(name)) else {
            return Err(bad(format!("has an entry of the absurd name {:?}", shorten(&String::from_utf8_lossy(&raw)))));
        };
        if entry.is_dir() {
            continue;
        }
        let too_much = || {
            bad(format!(
                "unpacks to more than {} bytes at `{name}`, far more than an archive of its size honestly holds",
                limits.bytes
            ))
        };
        // The declared size may lie: only what has been read counts, and memory grows with it.
        let mut bytes = Vec::new();
        let declared = entry.size();
        if declared > left {
            return Err(too_much());
        }
        let read = entry.take(left.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(|e| bad(format!("`{name}` is damaged: {e}")))?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(too_much)?;
        if bytes.len() as u64 != declared {
            return Err(bad(format!("`{name}` declares {declared} bytes, but holds {}", bytes.len())));
        }
        entries.insert(name.to_string(), bytes);
    }
    Ok(entries)
}

/// The entry `name`, taken out.
pub(crate) fn take(entries: &mut BTreeMap<String, Vec<u8>>, name: &str, path: &Path) -> Result<Vec<u8>> {
    entries.remove(name).ok_or_else(|| {
        let found: Vec<_> = entries.keys().take(8).map(String::as_str).collect();
        Error::file(path, format!("has no `{name}`, found {}: it is no .keras file of Keras 3", found.join(", ")))
    })
}

/// Writes the entries, uncompressed as Keras does, to the zip file `path`, atomically.
///
/// The same entries give the same bytes: no time of day is written.
pub(crate) fn write<'a>(path: &Path, entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<()> {
    atomic_write(path, |writer| {
        let mut zip = ZipWriter::new(writer);
        let written = entries.into_iter().try_for_each(|(name, bytes)| {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .last_modified_time(zip::DateTime::default())
                .large_file(bytes.len() >= u32::MAX as usize);
            zip.start_file(name, options)?;
            std::io::Write::write_all(&mut zip, bytes)
        });
        if let Err(e) = written {
            // Dropped, it would try to finish the archive and complain on stderr.
            std::mem::forget(zip);
            return Err(e);
        }
        zip.finish()?;
        Ok(())
    })
}

/// Whether `name` is a relative path of a sane length that stays where it is.
fn plain(name: &str) -> bool {
    let path = name.strip_suffix('/').unwrap_or(name);
    name.len() <= 1024
        && !name.contains(['\\', ':'])
        && !name.contains(char::is_control)
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn shorten(name: &str) -> String {
    name.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const NAME: &str = "m.keras";

    fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, bytes) in entries {
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn read_bytes(bytes: &[u8], limit: u64) -> Result<BTreeMap<String, Vec<u8>>> {
        read_from(Cursor::new(bytes), Limits { entries: 4, bytes: limit }, Path::new(NAME))
    }

    #[test]
    fn round_trips_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.keras"), folder.path().join("b.keras"));
        let entries = [("config.json", &b"{}"[..]), ("assets/words.txt", b"a b"), ("empty", b"")];
        write(&a, entries).unwrap();
        write(&b, entries).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        let mut read = read(&a).unwrap();
        assert_eq!(read.len(), 3);
        for (name, bytes) in entries {
            assert_eq!(take(&mut read, name, &a).unwrap(), bytes);
        }
        let missing = take(&mut read, "config.json", &a).unwrap_err().to_string();
        assert!(missing.contains("has no `config.json`"), "{missing}");
    }

    #[test]
    fn refuses_bombs_and_absurd_names() {
        let zeros = vec![0; 1 << 20];
        let bomb = zipped(&[("a", &zeros), ("b", &zeros)]);
        assert!(bomb.len() < 1 << 13);
        assert_eq!(read_bytes(&bomb, 2 << 20).unwrap().len(), 2);
        for limit in [0, 1 << 10, (2 << 20) - 1] {
            let message = read_bytes(&bomb, limit).unwrap_err().to_string();
            assert!(message.contains("unpacks to more than"), "{message}");
        }
        // A declared size that lies: found at the limit, or as soon as the entry ends.
        let mut lie = zipped(&[("a", &zeros)]);
        for size in lie.windows(4).enumerate().filter(|(_, w)| *w == [0, 0, 16, 0]).map(|(i, _)| i).collect::<Vec<_>>()
        {
            lie[size..size + 4].copy_from_slice(&[16, 0, 0, 0]);
        }
        assert!(read_bytes(&lie, 1 << 18).is_err());
        assert!(read_bytes(&lie, 1 << 24).is_err());
        let long = "n".repeat(2000);
        for name in ["/etc/passwd", "../up", "a/../../up", "a\\b", "c:x", "", "a//b", "new\nline", &long] {
            let message = read_bytes(&zipped(&[(name, b"x")]), 9).unwrap_err().to_string();
            assert!(message.contains("absurd name"), "{name:?}: {message}");
        }
        let many = zipped(&[("a", b""), ("b", b""), ("c", b""), ("d", b""), ("e", b"")]);
        assert!(read_bytes(&many, 9).unwrap_err().to_string().contains("holds 5 entries"));
    }
}
