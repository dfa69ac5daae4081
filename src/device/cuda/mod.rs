//! The CUDA device, by the driver API and cuBLAS, both loaded when they are first used: building needs neither.
//!
//! The only folder that names cudarc.
//!
//! - `driver` loads the driver and turns its errors into [`CudaError`](crate::CudaError); nothing here panics.
//! - `context` is [`CudaDevice`]: a card, its context and streams, and whose turn it is to use them.
//! - `pool` is its memory ([`CudaBlock`]), `transfer` moves bytes to it, from it, and on it; `upload` moves them
//!   to it while it computes.
//! - `kernel_table` names the kernels that were compiled into the crate ([`Kernel`]), `launch` loads and runs them.
//! - `product` says what a matrix product of row-major tensors is to cuBLAS; `cublas` computes it, `lt` with bias and ReLU.
//! - `graph` records a step and repeats it ([`CudaGraph`]), `nvtx` marks ranges for profilers, `report` tells what there
//!   is.
//!
//! All work of a device runs on one stream, in the order in which it was given. That one rule makes it safe to reuse memory
//! that queued work still reads, and to launch without waiting. The one exception, [`Upload`], waits for the stream before it
//! writes, and gives its memory out when the stream waits for it.

mod context;
mod cublas;
mod driver;
mod graph;
pub mod kernel_table;
mod launch;
mod lt;
mod nvtx;
mod pool;
mod product;
mod report;
#[cfg(test)]
pub(crate) mod testing;
mod transfer;
mod upload;

pub use context::CudaDevice;
pub use context::TimedEvent;
pub use cublas::{set_tf32, tf32};
pub use driver::{Version, count};
pub use graph::CudaGraph;
pub use kernel_table::Kernel;
pub(crate) use launch::{Arg, Grid};
pub use nvtx::{Range, enable_profiling};
pub use pool::CudaBlock;
pub(crate) use product::Product;
pub use report::{CardReport, KernelReport, Report, report};
pub use upload::Upload;
