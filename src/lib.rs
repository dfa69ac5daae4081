//! A deep-learning engine for NVIDIA GPUs, in Keras's vocabulary, that also runs on the CPU. No Python, no CUDA at build
//! time, one binary; models are `.keras` files, which Keras 3 opens and writes too.
//!
//! ```
//! use uncrumple::prelude::*;
//!
//! # fn main() -> Result<()> {
//! let (train, test) = datasets::mnist()?;
//! # let (train, test) = (train.take(2000)?, test.take(500)?);
//!
//! let input = Input::new([28, 28, 1]);
//! let x = Flatten::new().call(&input)?;
//! let x = Dense::new(512).relu().call(&x)?;
//! let output = Dense::new(10).softmax().call(&x)?;
//!
//! let model = Model::new(&input, &output)?;
//! println!("{}\n", model.summary());
//!
//! let mut trainer =
//!     model.on(Device::best()).compile(Adam::new(1e-3), SparseCategoricalCrossentropy::new(), [Accuracy::new()])?;
//! let history = trainer.fit(&train, Fit::epochs(3).batch_size(128).validation_split(0.1))?;
//! println!("{history}\ntest       {}", trainer.evaluate(&test)?);
//! # let folder = tempfile::tempdir().map_err(|e| Error::Config(e.to_string()))?;
//! # let path = folder.path().join("mnist.keras");
//! # assert!(trainer.evaluate(&test)?.get("accuracy") > Some(0.75));
//! # if false {
//! trainer.save("mnist.keras")?;
//! # }
//! # trainer.save(&path)?;
//! # let again = Model::load(&path)?.on(Device::best()).predict(&test.inputs()[0])?;
//! # assert_eq!(again.to_vec::<f32>()?, trainer.predict(&test.inputs()[0])?.to_vec::<f32>()?);
//! # Ok(())
//! # }
//! ```
//!
//! # The house
//!
//! Data walks down through these rooms and gradients walk back up. A room imports only rooms below it, and every op,
//! layer, loss, metric, optimizer, initializer and callback is one file and one word in its room's list.
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`programs`] | the named programs, the same wherever they are measured |
//! | [`callbacks`] | early stopping, checkpoints, progress: what looks on while a model trains |
//! | [`explain`] | what a model goes by: Grad-CAM |
//! | [`diffusion`] | pictures that a model makes of noise, and how it learns to |
//! | [`generate`] | sequences that a model writes token by token |
//! | [`train`] | [`train::Trainer`]: the step, the loop around it, evaluation, prediction, history |
//! | [`data`] | data sets, their splits and batches, texts as numbers, and the sets that come with the project |
//! | [`model`] | [`model::Model`]: the graph of layers with its weights, the summary, the `.keras` file |
//! | [`layers`], [`losses`], [`metrics`], [`optimizers`], [`schedules`], [`initializers`], [`regularizers`], [`constraints`] | what models are made of and trained with, under Keras's names and with its defaults |
//! | [`ops`] | one file per op: formula, shape rule, CPU code, CUDA launch, backward, test cases |
//! | [`autograd`] | the walk back, gradients added up, the check by finite differences |
//! | [`tensor`] | [`Tensor`]: a value and where it came from; the `Op` trait; [`GradientTape`] |
//! | [`files`] | npy, npz, idx, safetensors, HDF5, PNG, JPEG: arrays in and out, atomically |
//! | [`device`] | [`Device`]: where data lives and work runs; threads and SIMD, kernels, streams, cuBLAS, memory pools |
//! | [`shape`], [`axes`], [`dtype`], [`error`] | extents, axes, element types, the one [`Error`] |
//!
//! # Errors, panics, randomness
//!
//! Whatever a user, a file or a driver can cause is an [`Error`] that says what was wrong, where, what was expected and
//! what to do. The operators `+ - * /` on tensors are the exception: they panic with the same message, and the library
//! does not use them. Random numbers come from one counter-based generator: the same seed on the same device gives the
//! same bits.
#![deny(missing_docs)]

pub mod autograd;
pub mod axes;
pub mod callbacks;
mod config;
pub mod constraints;
pub mod data;
pub mod device;
pub mod diffusion;
pub mod dtype;
pub mod error;
pub mod explain;
pub mod files;
pub mod generate;
pub mod initializers;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod model;
pub mod ops;
pub mod optimizers;
pub mod profile;
pub mod programs;
mod registry;
pub mod regularizers;
pub mod schedules;
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
    pub use crate::callbacks::Mode;
    pub use crate::callbacks::all::*;
    pub use crate::constraints::{MaxNorm, MinMaxNorm, NonNeg, UnitNorm};
    #[cfg(feature = "tokenizers")]
    pub use crate::data::Tokenizer;
    pub use crate::data::{
        Dataset, Hashing, IntegerLookup, Split, SplitOn, Standardize, StringLookup, Strings, TextVectorization,
        datasets,
    };
    pub use crate::device::Device;
    pub use crate::dtype::DType;
    pub use crate::error::{Error, Result};
    pub use crate::generate::{Generate, Sampler};
    pub use crate::initializers::{
        GlorotNormal, GlorotUniform, HeNormal, HeUniform, Identity, LecunNormal, LecunUniform, Ones, Orthogonal,
        RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Zeros,
    };
    pub use crate::layers::all::*;
    pub use crate::layers::short::*;
    pub use crate::layers::{ActivationFn, Input, LayerRef, Precision, Spec, Symbol};
    pub use crate::losses::Reduction;
    pub use crate::losses::all::*;
    pub use crate::metrics::all::*;
    pub use crate::model::{Model, Sequential};
    pub use crate::ops::{FillMode, Interpolation, Padding};
    pub use crate::optimizers::all::*;
    pub use crate::regularizers::{L1, L1L2, L2, OrthogonalRegularizer};
    pub use crate::schedules::all::*;
    pub use crate::tensor::Tensor;
    pub use crate::train::{Callback, Control, Epoch, Fit, History, Logs, Trainer};
}
