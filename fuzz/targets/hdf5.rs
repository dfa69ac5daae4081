//! Any bytes as the weights of a `.keras` file whose config is sound.
#![no_main]

use std::sync::LazyLock;
use uncrumple::model::keras;

static CONFIG: LazyLock<Vec<u8>> = LazyLock::new(|| uncrumple_fuzz::golden().0);

libfuzzer_sys::fuzz_target!(|weights: &[u8]| {
    let file = uncrumple_fuzz::zipped(&CONFIG, weights);
    // Deflate gives 1032 bytes for one; there they may be packed, unpacked, and in a vector that grows.
    uncrumple_fuzz::read(file.len(), 4 * 1032, |path| keras::parse(&file, path));
});
