//! A CUDA device in software: the driver library `libcuda.so` (with the cuBLAS and cuBLASLt functions that programs call
//! most), which runs PTX on the CPU, one warp of 32 lanes at a time, and checks every access as a sanitizer does.
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`ptx`] | the text of a module: tokens, statements, declarations |
//! | [`isa`] | what each instruction means: one file per family, decoding beside execution |
//! | [`memory`] | global memory with its allocations, shared memory with its race check |
//! | [`machine`] | kernels made of decoded instructions; warps, blocks and grids that run them |
//! | [`driver`] | the `cu…` functions: contexts, streams, events, memory, modules, graphs |
//! | [`blas`] | the `cublas…` functions |

pub mod blas;
pub mod driver;
pub mod isa;
pub mod machine;
pub mod memory;
pub mod ptx;
