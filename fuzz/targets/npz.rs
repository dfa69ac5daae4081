//! Any bytes as a `.npz` file.
#![no_main]

use uncrumple::files::npy;

// Deflate gives 1032 bytes for one, and integers of one byte become four.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    uncrumple_fuzz::read(bytes.len(), 8 * 1032, |path| npy::parse_npz(bytes, path));
});
