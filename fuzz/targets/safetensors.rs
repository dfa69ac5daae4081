//! Any bytes as a `.safetensors` file.
#![no_main]

use uncrumple::files::safetensors;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    uncrumple_fuzz::read(bytes.len(), 64, |path| safetensors::parse(bytes, path));
});
