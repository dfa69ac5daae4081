//! What tests that need a card share.

use super::CudaDevice;
use std::sync::Arc;

/// The first card; `None`, with the reason printed, where there is none that can be used.
///
/// # Panics
/// Where there is none and `UNCRUMPLE_REQUIRE_CUDA` is 1.
pub(crate) fn device() -> Option<Arc<CudaDevice>> {
    match CudaDevice::get(0) {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os("UNCRUMPLE_REQUIRE_CUDA").is_some_and(|value| value == "1") => {
            panic!("UNCRUMPLE_REQUIRE_CUDA is 1, and there is no CUDA device: {error}")
        }
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}
