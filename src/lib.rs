//! A deep-learning engine for NVIDIA GPUs.
pub mod autograd;
pub mod device;
pub mod dtype;
pub mod error;
pub mod ops;
pub mod shape;
pub mod tensor;

pub use device::Device;
pub use dtype::{DType, Element};
pub use error::{CudaError, Error, Result};
pub use shape::Shape;
pub use tensor::{GradientTape, Tensor, no_grad};
