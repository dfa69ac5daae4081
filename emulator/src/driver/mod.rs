//! The functions of the CUDA driver API, as the headers of CUDA 13.0 declare them.
//!
//! [`exports`] lists every function that there is with its signature and what does its work, and [`unsupported`] those
//! that answer `CUDA_ERROR_NOT_SUPPORTED`. From below upwards:
//!
//! - [`error`]: codes, texts, and what surrounds each call; [`handle`]: numbers for objects
//! - [`timeline`]: what comes after what, and when it runs; [`nodes`]: graphs as they are built
//! - [`device`], [`context`]: what there is, and whose a call is; [`capture`]: streams that write graphs;
//!   [`image`]: what modules are loaded from
//! - [`stream`], [`event`], [`capture_calls`], [`pool`], [`memory`], [`host`], [`transfer`], [`fill`], [`module`],
//!   [`library`], [`launch`], [`graph`], [`executable`]: the calls on each

// The promises of each function are those of NVIDIA's documentation of the call of that name; those that this folder adds
// stand at the functions of the lower rooms.
#![allow(clippy::missing_safety_doc)]

pub mod capture;
pub mod capture_calls;
pub mod context;
pub mod device;
pub mod error;
pub mod event;
pub mod executable;
pub mod exports;
pub mod fill;
pub mod graph;
pub mod handle;
pub mod host;
pub mod image;
pub mod launch;
pub mod library;
pub mod memory;
pub mod module;
pub mod nodes;
pub mod params;
pub mod pool;
mod procedure;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod transfer;
pub mod unsupported;
