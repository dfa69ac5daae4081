//! Any bytes as a `.keras` file.
#![no_main]

use uncrumple::model::keras;

// Deflate gives 1032 bytes for one, and a vector that grows has up to thrice what it holds.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| uncrumple_fuzz::read(bytes.len(), 4 * 1032, |path| keras::parse(
    bytes, path
)));
