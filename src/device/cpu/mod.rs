//! The CPU: threads, the buffer pool, vector mathematics, matrix products.

pub mod conv;
pub mod convert;
pub mod gemm;
pub mod math;
pub mod philox;
pub mod pool;
pub mod recurrent;
mod scratch;
pub(crate) mod simd;
pub mod threads;

pub use math::{Float, vectorize};
pub(crate) use scratch::Scratch;
