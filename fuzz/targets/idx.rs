//! Any bytes as an idx file, gzipped or not.
#![no_main]

use uncrumple::files::idx;

// Deflate gives 1032 bytes for one, and integers of one byte become four.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let factor = if bytes.starts_with(&[0x1f, 0x8b]) { 8 * 1032 } else { 8 };
    uncrumple_fuzz::read(bytes.len(), factor, |path| idx::parse(bytes.to_vec(), path));
});
