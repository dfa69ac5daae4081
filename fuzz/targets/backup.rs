//! Any bytes as the backup of a run that goes on.
#![no_main]

use std::sync::LazyLock;
use uncrumple::Error;
use uncrumple_fuzz::Run;

static RUN: LazyLock<Run> = LazyLock::new(Run::new);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("uncrumple-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("a temporary file");
    let mut trainer = RUN.trainer();
    // What trains takes memory of its own.
    uncrumple_fuzz::read(bytes.len() + (1 << 20), 64, |_| match trainer.fit(&RUN.data, RUN.fit().resume(&path)) {
        // Weights of any values may lose the loss.
        Ok(_) | Err(Error::Diverged { .. }) => Ok(()),
        Err(error) => Err(error),
    });
});
