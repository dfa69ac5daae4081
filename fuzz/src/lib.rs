//! What the targets share: any bytes are a value or an error that names the file, in memory that follows from their
//! length, and no line of ours panics.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use uncrumple::prelude::*;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

/// The name of the file in errors.
pub const NAME: &str = "fuzz.keras";

/// Counts the bytes that live, since libFuzzer's own `-malloc_limit_mb` needs a sanitizer.
struct Bounded;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

fn count(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed).wrapping_add(bytes);
    if live > LIMIT.load(Relaxed) {
        let limit = LIMIT.swap(usize::MAX, Relaxed);
        eprintln!("{live} bytes live, {limit} are allowed, {bytes} were asked for\n{}", Backtrace::force_capture());
        std::process::abort();
    }
}

// SAFETY: passes every call on to the system's allocator.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise; so below.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static BOUNDED: Bounded = Bounded;

/// Runs a reader on `len` bytes of input: aborts if it asks for more than 1 MiB and `factor` bytes for each of them, if a
/// line of ours panics, or if an error does not name the file. A panic of a parser crate must come back as an error.
pub fn read<T>(len: usize, factor: usize, reader: impl FnOnce(&Path) -> Result<T>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // libFuzzer's own aborts at once; here `files::guard` may still make an error of it.
        std::panic::set_hook(Box::new(|info| {
            let crates = ["/registry/src/", "/rustc/"];
            if info.location().is_none_or(|at| !crates.iter().any(|c| at.file().contains(c))) {
                eprintln!("{info}\n{}", Backtrace::force_capture());
                std::process::abort();
            }
        }));
    });
    LIMIT.store(LIVE.load(Relaxed) + (1 << 20) + factor * len, Relaxed);
    let result = reader(Path::new(NAME));
    LIMIT.store(usize::MAX, Relaxed);
    match result {
        Ok(_) | Err(Error::File { .. } | Error::Io { .. }) => {}
        Err(e) => panic!("the error does not name the file: {e}"),
    }
}

/// A small run with callbacks that keep something.
pub struct Run {
    pub data: Dataset,
}

impl Run {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Run {
        let x: Vec<f32> = (0..24).map(|i| (i as f32).sin()).collect();
        let x = Tensor::from_slice(&x, [12, 2]).expect("24 numbers");
        Run { data: Dataset::new(&x, &x).expect("finite numbers") }
    }

    pub fn trainer(&self) -> Trainer {
        let model = Sequential::new([2]).add(Dense::new(2)).build().expect("a model of one layer");
        model.compile(Adam::new(0.1), MeanSquaredError::new(), ()).expect("a trainer")
    }

    pub fn fit(&self) -> Fit {
        let stop = EarlyStopping::new().patience(1).restore_best_weights();
        let plateau = ReduceLROnPlateau::new().patience(1);
        Fit::epochs(3).batch_size(4).validation_data(&self.data).callback(stop).callback(plateau)
    }
}

/// The entries of a small `.keras` file that Keras wrote: its config and its weights.
pub fn golden() -> (Vec<u8>, Vec<u8>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/goldens/keras_files/mlp_adam.keras");
    let bytes = std::fs::read(path).expect("a golden");
    (entry(&bytes, "config.json"), entry(&bytes, "model.weights.h5"))
}

/// An entry of a `.keras` file.
pub fn entry(file: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = ZipArchive::new(Cursor::new(file)).expect("a zip");
    zip.by_name(name).expect("an entry").read_to_end(&mut bytes).expect("an entry");
    bytes
}

/// A sound zip of these two: its checksums would keep a change of its bytes from ever reaching them.
pub fn zipped(config: &[u8], weights: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let metadata = &br#"{"keras_version": "3.15.1"}"#[..];
    for (name, bytes) in [("metadata.json", metadata), ("config.json", config), ("model.weights.h5", weights)] {
        zip.start_file(name, options).expect("memory");
        zip.write_all(bytes).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}
