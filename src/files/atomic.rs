//! Writing a file so that it is there whole or not at all.

use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes the file `path` through `write`, atomically, and durably where the system writes folders out when asked.
///
/// The bytes go to a temporary file in the same folder, which takes the place of `path` only after all of it has
/// reached the disk: whatever fails before (a full disk, an error or a panic of `write`), an old file stays as it was
/// and the temporary file is removed. A link is followed; a device or a pipe is written to directly. A new file gets
/// the permissions that the umask leaves, a replaced one keeps its own.
///
/// # Errors
/// [`Error::Io`] with what the system or `write` said.
pub fn atomic_write<T>(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<T>) -> Result<T> {
    try_write(path, write).map_err(|e| Error::io(path, e))
}

/// Makes the folder of a file that will be written, and looks whether it can be: before what it is to hold is computed
/// rather than after.
///
/// # Errors
/// [`Error::Io`] where the path is a folder's, or its folder cannot be made or written to.
pub fn prepare(path: &Path) -> Result<()> {
    let try_prepare = || match fs::metadata(path) {
        Ok(old) if old.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(old) if !old.is_file() => Ok(()),
        _ => {
            let target = end_of_links(path)?;
            fs::create_dir_all(folder_of(&target))?;
            temporary(folder_of(&target)).map(drop)
        }
    };
    try_prepare().map_err(|e| Error::io(path, e))
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // Its own words name a file that nobody knows.
    builder.tempfile_in(folder).map_err(|e| e.kind().into())
}

fn try_write<T>(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<T>) -> io::Result<T> {
    let old = match fs::metadata(path) {
        Ok(old) if old.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(old) if !old.is_file() => {
            let device = OpenOptions::new().write(true).open(path)?;
            let mut writer = BufWriter::new(&device);
            let value = write(&mut writer)?;
            writer.flush()?;
            return Ok(value);
        }
        Ok(old) => Some(old.permissions()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    let target = end_of_links(path)?;
    let folder = folder_of(&target);
    if !folder.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", folder.display())));
    }
    let temporary = temporary(folder)?;
    if let Some(permissions) = old {
        temporary.as_file().set_permissions(permissions)?;
    }
    let mut writer = BufWriter::new(temporary.as_file());
    let value = write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.as_file().sync_all()?;
    temporary.persist(&target)?;
    // The new name is on the disk only once the folder is. It is in place by now, so that a folder which may not be read, or
    // a system that does not do this, is no failure.
    #[cfg(unix)]
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(value)
}

/// The file that a chain of links ends in, be it there or not.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_path_buf();
    // As many as Linux follows.
    for _ in 0..40 {
        let Ok(link) = fs::read_link(&target) else { return Ok(target) };
        target = target.parent().unwrap_or(Path::new("")).join(link);
    }
    Err(io::Error::other("too many symbolic links"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::archive;
    use std::process::Command;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writes_a_new_file_and_replaces_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for text in ["one", "two, and longer"] {
            atomic_write(&path, |w| w.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(folder.path()), ["a.csv"]);
        }
        assert!(atomic_write(folder.path(), |_| Ok(())).is_err(), "a folder is not a file");
        assert!(atomic_write(&folder.path().join("none/a.csv"), |_| Ok(())).is_err(), "no such folder");
    }

    #[test]
    fn what_cannot_be_written_is_known_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.csv");
        prepare(&path).unwrap();
        assert!(names(folder.path()) == ["new"] && names(&folder.path().join("new")).is_empty());
        fs::write(&path, "old").unwrap();
        prepare(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        prepare(Path::new("/dev/null")).unwrap();
        for (path, word) in [(folder.path(), "directory"), (&path.join("b.csv"), "a.csv")] {
            assert!(prepare(path).unwrap_err().to_string().contains(word));
        }
    }

    #[test]
    fn an_error_or_a_panic_leaves_the_old_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        fs::write(&path, "old").unwrap();
        let failed = atomic_write(&path, |w| {
            w.write_all(&[0; 100_000])?;
            Err::<(), _>(io::Error::other("no more numbers"))
        });
        assert!(failed.unwrap_err().to_string().contains("no more numbers"));
        let panicked = std::panic::catch_unwind(|| {
            atomic_write(&path, |w| {
                w.write_all(&[0; 100_000])?;
                if w.buffer().len() < 1_000_000 { panic!("a test's own panic") } else { Ok(()) }
            })
        });
        assert!(panicked.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(folder.path()), ["a.csv"]);
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_keeps_permissions_and_writes_to_devices() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        atomic_write(&link, |w| w.write_all(b"new")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        // A link to a file that is not there yet, by way of another.
        let (second, third) = (folder.path().join("second"), folder.path().join("third"));
        symlink("third", &second).unwrap();
        symlink("new file", &third).unwrap();
        atomic_write(&second, |w| w.write_all(b"first")).unwrap();
        assert!(fs::symlink_metadata(&second).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(folder.path().join("new file")).unwrap(), "first");
        // A folder that may be written and not read.
        let hidden = folder.path().join("hidden");
        fs::create_dir(&hidden).unwrap();
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o333)).unwrap();
        atomic_write(&hidden.join("file"), |w| w.write_all(b"x")).unwrap();
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o755)).unwrap();
        atomic_write(Path::new("/dev/null"), |w| w.write_all(b"gone")).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        if Path::new("/dev/full").exists() {
            let full = atomic_write(Path::new("/dev/full"), |w| w.write_all(b"x")).unwrap_err();
            assert!(matches!(full, Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull));
        }
    }

    /// The child's half of the tests below: replaces `$UNCRUMPLE_TEST_FULL` by more than its disk takes.
    #[test]
    #[ignore = "the tests below run it on a disk that is too small"]
    fn child_fills_the_disk() {
        let Some(path) = std::env::var_os("UNCRUMPLE_TEST_FULL") else { return };
        let failed = archive::write(Path::new(&path), [("model.weights.h5", &vec![1; 1 << 20][..])]).unwrap_err();
        let Error::Io { source, .. } = &failed else { panic!("{failed}") };
        assert!(matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge), "{failed}");
        println!("refused: {failed}");
    }

    /// Runs the child under `sh -c script`, with `$0` this program and `$1` the folder; false where `script` cannot.
    #[cfg(unix)]
    fn full_disk(script: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.keras");
        fs::write(&path, "old").unwrap();
        let child = "files::atomic::tests::child_fills_the_disk";
        let run = &format!("UNCRUMPLE_TEST_FULL=$1/model.keras $0 --exact {child} --ignored --nocapture");
        let check = "cat $1/model.keras; echo; ls -A $1";
        let out = Command::new("sh")
            .args(["-c", &script.replace("RUN", run).replace("CHECK", check)])
            .arg(std::env::current_exe().unwrap())
            .arg(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        if !text.contains("ready") {
            return false;
        }
        assert!(text.contains("refused: "), "{text}{}", String::from_utf8_lossy(&out.stderr));
        assert!(text.ends_with("\nold\nmodel.keras\n"), "{text}");
        true
    }

    #[cfg(unix)]
    #[test]
    fn a_file_size_limit_leaves_the_old_file_alone() {
        assert!(full_disk("echo ready; (ulimit -f 64; trap '' XFSZ; RUN); CHECK"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_leaves_the_old_file_alone() {
        let mount = "mount -t tmpfs -o size=256k none $1 2>/dev/null && printf old > $1/model.keras && echo ready";
        let script = format!("unshare -rm sh -c '{mount}; RUN; CHECK' $0 $1 2>&1");
        if !full_disk(&script) {
            println!("skipped: this machine lets nobody mount a small disk");
        }
    }
}
