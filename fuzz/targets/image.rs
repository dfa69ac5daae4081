//! Any bytes as a PNG or JPEG picture.
#![no_main]

use uncrumple::files::image::{ColorMode, parse};

// A packed byte of a PNG gives 1032, each of these up to eight pixels, and each of these four as decoded and of the tensor.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    uncrumple_fuzz::read(bytes.len(), 8 * 1032 * 8, |path| {
        let picture = parse(bytes, ColorMode::Rgba, path)?;
        assert_eq!(picture.shape.iter().product::<usize>(), picture.bytes.len());
        Ok(())
    });
});
