//! The one error type: what was wrong, where, what was expected, what to do.

use std::borrow::Cow;
use std::path::PathBuf;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, for anything that a user, a file or a driver can cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation was given shapes that do not fit.
    #[error("{op}: {message}")]
    Shape {
        /// The operation.
        op: Cow<'static, str>,
        /// What it expected and what it got.
        message: String,
    },
    /// An operation was given element types that it cannot take.
    #[error("{op}: {message}")]
    DType {
        /// The operation.
        op: Cow<'static, str>,
        /// What it expected and what it got.
        message: String,
    },
    /// An operation was given tensors of several devices, or of the wrong one.
    #[error("{op}: {message}")]
    Device {
        /// The operation.
        op: Cow<'static, str>,
        /// What it expected and what it got.
        message: String,
    },
    /// A layer was called on inputs that it cannot take.
    #[error("{0}")]
    Input(String),
    /// Something failed inside a layer.
    #[error("layer `{layer}`: {source}")]
    Layer {
        /// The layer's name.
        layer: String,
        /// What failed there.
        source: Box<Error>,
    },
    /// Trainable parameters that the loss does not depend on.
    #[error(
        "no gradient reaches {}: the loss does not depend on {}. Leave {} out of the model, make the layer \
         non-trainable, or use its output",
        paths.join(", "),
        if paths.len() == 1 { "it" } else { "them" },
        if paths.len() == 1 { "it" } else { "them" }
    )]
    NoGradient {
        /// The paths of the parameters, such as `encoder/dense_1/kernel`.
        paths: Vec<String>,
    },
    /// A value that is out of its range, or an option that does not fit the others.
    #[error("{0}")]
    Config(String),
    /// Data that cannot be trained on: empty, NaN, a label out of range, arrays of different lengths.
    #[error("{0}")]
    Data(String),
    /// The training loss is no finite number any more.
    #[error(
        "the training loss became {loss} in epoch {epoch}: the weights have grown out of all bounds. Start anew with a \
         smaller learning rate, with clipnorm, or with inputs scaled to about -1 to 1"
    )]
    Diverged {
        /// The loss.
        loss: f64,
        /// The epoch, from 1.
        epoch: usize,
    },
    /// A file that is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The operating system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// There is not enough memory.
    #[error("{device}: out of memory: {requested} bytes were asked for, {in_use} are in use by tensors. {advice}")]
    OutOfMemory {
        /// The device.
        device: String,
        /// Bytes asked for.
        requested: usize,
        /// Bytes in use.
        in_use: usize,
        /// What would help.
        advice: &'static str,
    },
    /// A CUDA device cannot be used, or failed.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// A rule inside the engine was broken: a defect of the engine, not of its input.
    #[error("internal error, please report it: {0}")]
    Internal(String),
}

/// Why a CUDA device cannot be used, or what it answered.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// The driver library is not there.
    #[error(
        "no NVIDIA driver: {searched} could not be loaded ({reason}). Install the NVIDIA driver (version 580 or newer), \
         or use --device cpu"
    )]
    NoDriver {
        /// The names that were tried.
        searched: String,
        /// The loader's answer.
        reason: String,
    },
    /// The driver is there and sees no card, or not the one asked for.
    #[error("no CUDA device {ordinal}: the driver sees {count}. See `uncrumple devices`, or use --device cpu")]
    NoDevice {
        /// The device asked for.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// cuBLAS or cuBLASLt is not there.
    #[error(
        "no {library}: {searched} could not be loaded ({reason}). Install the CUDA 13 libraries (Debian and Ubuntu: \
         libcublas-13-0; pip: nvidia-cublas) and put their folder on LD_LIBRARY_PATH"
    )]
    NoCublas {
        /// `cuBLAS` or `cuBLASLt`.
        library: &'static str,
        /// The names that were tried.
        searched: String,
        /// The loader's answer.
        reason: String,
    },
    /// This binary was built without `nvcc`, so it holds no kernels.
    #[error(
        "this binary holds no CUDA kernels: nvcc was not found when it was built. Put nvcc 13.0 on PATH or set CUDA_HOME \
         (./scripts/setup-nvcc fetches it), then build again"
    )]
    NoKernels,
    /// The driver is older than the PTX.
    #[error(
        "the driver supports CUDA {driver}, but the kernels of this binary are PTX ISA {ptx}, which needs CUDA {needed} \
         (driver 580 or newer). Update the driver, or build with an older nvcc"
    )]
    PtxTooNew {
        /// The CUDA version of the driver.
        driver: String,
        /// The PTX version of the kernels.
        ptx: String,
        /// The CUDA version that it needs.
        needed: String,
    },
    /// The card is older than the kernels' target, or another than they were made for.
    #[error("{name} has compute capability {found}; the kernels of this binary need {needed}")]
    CardTooOld {
        /// The card's name.
        name: String,
        /// Its compute capability.
        found: String,
        /// What is needed: `8.0 or newer`.
        needed: String,
    },
    /// A call of the driver or of cuBLAS failed.
    #[error("{call}: {name}: {message}")]
    Call {
        /// What was called, and for what.
        call: String,
        /// The error's name, such as `CUDA_ERROR_ILLEGAL_ADDRESS`.
        name: String,
        /// The driver's explanation.
        message: String,
    },
}

impl Error {
    pub(crate) fn shape(op: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Error {
        Error::Shape { op: op.into(), message: message.into() }
    }

    pub(crate) fn dtype(op: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Error {
        Error::DType { op: op.into(), message: message.into() }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, message: impl Into<String>) -> Error {
        Error::File { path: path.into(), message: message.into() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        Error::Io { path: path.into(), source }
    }

    pub(crate) fn in_layer(self, layer: &str) -> Error {
        Error::Layer { layer: layer.to_string(), source: Box::new(self) }
    }
}
