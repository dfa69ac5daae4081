//! A deep-learning engine for NVIDIA GPUs.
pub mod dtype;
pub mod error;
pub use dtype::{DType, Element};
pub use error::{CudaError, Error, Result};
