//! A deep-learning engine for NVIDIA GPUs.
#![deny(missing_docs)]

pub mod autograd;
pub mod data;
pub mod device;
pub mod dtype;
pub mod error;

pub mod files;
pub mod initializers;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod model;
pub mod ops;
pub mod optimizers;
pub mod programs;
pub mod shape;
pub mod tensor;
pub mod train;

pub use device::Device;
pub use dtype::{DType, Element};
pub use error::{CudaError, Error, Result};
pub use shape::Shape;
pub use tensor::{GradientTape, Tensor, no_grad};

/// What a program that trains networks uses.
pub mod prelude {
    pub use crate::data::{Dataset, datasets};
    pub use crate::device::Device;
    pub use crate::dtype::DType;
    pub use crate::error::{Error, Result};
    pub use crate::layers::all::*;
    pub use crate::layers::{ActivationFn, Input, LayerRef, Precision, Spec, Symbol};
    pub use crate::losses::all::*;
    pub use crate::metrics::all::*;
    pub use crate::model::{Model, Sequential};
    pub use crate::optimizers::all::*;
    pub use crate::tensor::Tensor;
    pub use crate::train::{Callback, Control, Fit, History, Trainer};
}
