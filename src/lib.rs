//! A deep-learning engine for NVIDIA GPUs.
pub mod autograd;
pub mod device;
pub mod dtype;
pub mod error;
#[allow(dead_code, unused_imports)] // until the rooms above read and write files
pub mod files;
pub mod initializers;
pub mod layers;
pub mod model;
pub mod ops;
pub mod shape;
pub mod tensor;

pub use device::Device;
pub use dtype::{DType, Element};
pub use error::{CudaError, Error, Result};
pub use shape::Shape;
pub use tensor::{GradientTape, Tensor, no_grad};

/// What a program that trains networks uses.
pub mod prelude {
    pub use crate::device::Device;
    pub use crate::dtype::DType;
    pub use crate::error::{Error, Result};
    pub use crate::layers::*;
    pub use crate::model::{Model, Sequential};
    pub use crate::tensor::Tensor;
}
