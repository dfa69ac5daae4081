//! Damaged files of every format: whatever is in them, reading ends in an array or in an error, in bounded memory.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::image::ColorMode;
use crate::files::{Array, archive, h5, idx, image, npy, repository, safetensors};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

type Parse = fn(Vec<u8>) -> Result<()>;

/// A sound file of each format, and how it is read.
fn samples() -> Vec<(&'static str, Vec<u8>, Parse)> {
    const NAME: &str = "hostile";
    let data = |name: &str| std::fs::read(repository().join("tests/data").join(name)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let arrays: BTreeMap<String, Array> = [DType::F32, DType::I64, DType::Bool]
        .map(|d| (d.to_string(), Array::new(d, vec![2, 3], vec![1; 6 * d.size()]).unwrap()))
        .into();
    let reread = || std::fs::read(&path).unwrap();

    let zipped: Parse = |bytes| {
        for (name, entry) in archive::parse(&bytes, Path::new(NAME))? {
            if name.ends_with(".npy") {
                npy::parse(entry, Path::new(NAME))?;
            } else if name.ends_with(".h5") {
                h5::read(entry, Path::new(NAME))?;
            }
        }
        Ok(())
    };
    let hdf5: Parse = |bytes| h5::read(bytes, Path::new(NAME)).map(drop);
    let picture: Parse = |bytes| image::parse(&bytes, ColorMode::Rgba, Path::new(NAME)).map(drop);
    let idx: Parse = |bytes| idx::parse(bytes, Path::new(NAME)).map(drop);

    npy::write(&path, &arrays["float32"]).unwrap();
    let npy_file = reread();
    npy::write_npz(&path, &arrays).unwrap();
    let npz_file = reread();
    safetensors::write(&path, &safetensors::Contents { arrays: arrays.clone(), ..Default::default() }).unwrap();
    let safetensors_file = reread();
    let mut keras = archive::parse(&data("keras.keras"), Path::new(NAME)).unwrap();
    let mut tree = h5::Tree::default();
    tree.put("layers/dense", "dense", arrays.values().cloned());
    tree.put("", "model", []);
    let idx_file = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2][..], &[9, 8, 7, 6]].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&[&[0, 0, 8, 1, 0, 1, 0, 0][..], &[7; 1 << 16]].concat()).unwrap();
    vec![
        ("npy", npy_file, |bytes| npy::parse(bytes, Path::new(NAME)).map(drop)),
        ("npz", npz_file, zipped),
        ("idx", idx_file, idx),
        ("idx.gz", gzip.finish().unwrap(), idx),
        ("safetensors", safetensors_file, |bytes| safetensors::parse(&bytes, Path::new(NAME)).map(drop)),
        ("our h5", h5::write(&tree, Path::new(NAME)).unwrap(), hdf5),
        ("h5py's h5", data("h5py.h5"), hdf5),
        ("Keras's h5", keras.remove("model.weights.h5").unwrap(), hdf5),
        ("keras", data("keras.keras"), zipped),
        ("png", data("rgba.png"), picture),
        ("interlaced png", data("interlaced.png"), picture),
        ("jpeg", data("baseline.jpg"), picture),
        ("progressive jpeg", data("progressive.jpg"), picture),
    ]
}

/// Numbers from 0 to `n`, the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// Reads the damaged file; how it ends, unless in a panic.
fn outcome(format: &str, damage: &str, parse: Parse, bytes: Vec<u8>) -> bool {
    let result = std::panic::catch_unwind(|| parse(bytes));
    match result.unwrap_or_else(|_| panic!("{format}, {damage}: panicked")) {
        Ok(()) => true,
        Err(Error::File { .. } | Error::Io { .. }) => false,
        Err(e) => panic!("{format}, {damage}: the error does not name the file: {e}"),
    }
}

/// Half of the test below; `UNCRUMPLE_TEST_HOSTILE` makes it longer.
#[test]
#[ignore = "the test below runs it in little memory"]
fn child_reads_damaged_files() {
    let rounds: usize = std::env::var("UNCRUMPLE_TEST_HOSTILE").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    for (format, sound, parse) in samples() {
        assert!(outcome(format, "sound", parse, sound.clone()));
        let n = sound.len();
        // Every length of a small file, and some of a large one.
        for cut in (0..n).step_by((n / 2000).max(1)) {
            let read = outcome(format, &format!("cut at {cut}"), parse, sound[..cut].to_vec());
            assert!(!read, "{format}: the first {cut} of {n} bytes were taken for a whole file");
        }
        let step = (n / 3000).max(1);
        for at in (0..n).step_by(step) {
            for value in [0, 1, 0x7f, 0x80, 0xff, !sound[at]] {
                let mut bytes = sound.clone();
                bytes[at] = value;
                outcome(format, &format!("{value:#x} at {at}"), parse, bytes);
            }
        }
        let mut random = Random(n as u64);
        for round in 0..2000 * rounds {
            let mut bytes = sound.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(n);
                let width = [1, 2, 4, 8][random.below(4)].min(n - at);
                // Runs of 0xff and of 0 hit sizes, counts and addresses; the rest hits everything else.
                match random.below(4) {
                    0 => bytes[at..at + width].fill(0xff),
                    1 => bytes[at..at + width].fill(0),
                    2 => bytes[at] ^= 1 << random.below(8),
                    _ => bytes[at..at + width].fill_with(|| random.below(256) as u8),
                }
            }
            outcome(format, &format!("random {round}"), parse, bytes);
        }
        println!("{format}: done");
    }
    let mut bomb = Vec::new();
    let packed = std::fs::File::open(repository().join("tests/data/bomb.h5.gz")).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bomb).unwrap();
    assert!(outcome("h5", "an attribute of more than a gigabyte", |b| h5::read(b, Path::new("bomb")).map(drop), bomb));
    println!("all: done");
}

/// No damage makes a reader panic, overflow its stack, run forever or ask for far more memory than the file is long.
#[cfg(unix)]
#[test]
fn damaged_files_are_errors_in_bounded_memory() {
    let out = std::process::Command::new("sh")
        // 1 GiB of address space: the 256 MiB that a small archive may unpack to, twice, and the program.
        .args([
            "-c",
            "ulimit -v 1048576; exec \"$0\" --exact files::hostile::child_reads_damaged_files --ignored --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let (text, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let end = |text: &str| text.lines().rev().take(12).collect::<Vec<_>>().join("\n");
    assert!(out.status.success() && text.contains("all: done"), "{}\n{}\n{}", out.status, end(&text), end(&log));
    let panics = log.matches("panicked at").count();
    println!("{panics} panics of parser crates became errors");
}
