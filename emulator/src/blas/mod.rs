//! The functions of cuBLAS and cuBLASLt that programs call most: they put products on streams as kernels are put there.
//!
//! `libcublas.so` and `libcublasLt.so` are this library under other names, so that the three share their state.
//!
//! Sums are kept in f32 (f64 for f64). Factors are rounded to TF32 or to 16 bits only where the compute type or the math
//! mode asks for it. A factor that lies outside its allocation, or that nothing wrote, is the fault that it would be in a
//! kernel.

// The promises of each function are those of NVIDIA's documentation of the call of that name.
#![allow(clippy::missing_safety_doc)]

mod exports;
mod gemm;
mod handle;
mod lt;
mod product;
mod status;
#[cfg(test)]
mod tests;
mod vector;

pub use exports::*;
