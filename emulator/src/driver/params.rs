//! The parameters of a graph's nodes, as callers lay them out.

use super::error::{Result, invalid};
use super::fill::Fill;
use super::handle::Raw;
use super::stream::{Host, HostFunction};
use std::ffi::c_void;

/// `CUDA_MEMSET_NODE_PARAMS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FillParams {
    pub to: u64,
    pub pitch: usize,
    pub value: u32,
    pub element: u32,
    pub width: usize,
    pub height: usize,
}

impl FillParams {
    /// The fill that they describe.
    ///
    /// # Errors
    /// As [`Fill::check`].
    pub fn fill(&self) -> Result<Fill> {
        let &FillParams { to, pitch, value, element, width, height } = self;
        let fill = Fill { to, pitch, value, element: element as usize, width, height };
        fill.check().map(|()| fill)
    }
}

/// `CUDA_HOST_NODE_PARAMS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct HostParams {
    pub function: Option<HostFunction>,
    pub data: *mut c_void,
}

impl HostParams {
    /// The host function that they describe.
    ///
    /// # Errors
    /// A null pointer.
    pub fn host(&self) -> Result<Host> {
        let Some(function) = self.function else { return invalid("a null pointer for the host function") };
        Ok(Host { function, data: self.data })
    }
}

/// `CUDA_MEM_ALLOC_NODE_PARAMS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TakeParams {
    /// `CUmemPoolProps`: kind, handles, location, device; the rest.
    pub pool: [u32; 4],
    pub rest: [u64; 9],
    pub access: Raw,
    pub count: usize,
    pub bytes: usize,
    pub address: u64,
}
