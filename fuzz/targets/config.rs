//! Any text as the config.json of a `.keras` file whose weights are sound.
#![no_main]

use std::sync::LazyLock;
use uncrumple::model::keras;

static WEIGHTS: LazyLock<Vec<u8>> = LazyLock::new(|| uncrumple_fuzz::golden().1);

libfuzzer_sys::fuzz_target!(|config: &[u8]| {
    let file = uncrumple_fuzz::zipped(config, &WEIGHTS);
    uncrumple_fuzz::read(file.len(), 256, |path| {
        let loaded = keras::parse(&file, path)?;
        Ok(loaded.model.summary().to_string())
    });
});
