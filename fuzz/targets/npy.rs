//! Any bytes as a `.npy` file.
#![no_main]

use uncrumple::files::npy;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    uncrumple_fuzz::read(bytes.len(), 8, |path| npy::parse(bytes.to_vec(), path));
});
