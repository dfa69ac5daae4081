//! Bytes on a device, shared by the tensors that read them.

use super::Device;
use super::cpu::pool::{self, Block};
use super::cuda::CudaBlock;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes on one device. It goes back to that device's pool when the last [`Storage`] of it goes.
pub enum Buffer {
    /// Host memory, 64-byte aligned.
    Cpu(Block),
    /// Memory of a CUDA card.
    Cuda(CudaBlock),
}

impl Buffer {
    /// The host's bytes.
    pub fn bytes(&self) -> Result<&[u8]> {
        match self {
            Buffer::Cpu(block) => Ok(block.bytes()),
            Buffer::Cuda(_) => Err(Error::Internal("the host cannot read device memory".into())),
        }
    }
}

/// Elements on a device, as copies and kernels see them: what a tensor is to this room.
pub trait Elements {
    /// Their type.
    fn dtype(&self) -> DType;
    /// Their shape.
    fn shape(&self) -> Shape;
    /// Where they stand.
    fn storage(&self) -> &Storage;
}

impl dyn Elements + '_ {
    /// The device memory, where they stand on a CUDA card.
    pub fn cuda_block(&self) -> Result<&CudaBlock> {
        match &**self.storage() {
            Buffer::Cuda(block) => Ok(block),
            Buffer::Cpu(_) => Err(Error::Internal("a CUDA kernel was given host memory".into())),
        }
    }
}

/// A share in a [`Buffer`].
///
/// The CPU's pool keeps the reference count together with the bytes, so that taking a buffer of the host's and letting it go
/// touches no allocator once the pool is warm; a buffer of a card's has its count from the host's allocator.
#[derive(Clone)]
pub struct Storage(Option<Arc<Buffer>>);

impl Storage {
    /// At least `size` bytes on `device`, with unspecified content.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new(device: &Device, size: usize) -> Result<Storage> {
        let buffer = match device {
            Device::Cpu => pool::take(size)?,
            Device::Cuda(device) => Arc::new(Buffer::Cuda(device.allocate(size)?)),
        };
        Ok(Storage(Some(buffer)))
    }

    /// The only share in `buffer`.
    pub(crate) fn of(buffer: Buffer) -> Storage {
        Storage(Some(Arc::new(buffer)))
    }

    /// The bytes for writing, if nobody else reads them.
    pub fn get_mut(&mut self) -> Option<&mut Buffer> {
        self.0.as_mut().and_then(Arc::get_mut)
    }

    /// Whether two shares are of the same buffer.
    pub fn same(&self, other: &Storage) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl Deref for Storage {
    type Target = Buffer;

    fn deref(&self) -> &Buffer {
        // Only `drop` takes the buffer out.
        match &self.0 {
            Some(buffer) => buffer,
            None => unreachable!("a storage has its buffer until it is dropped"),
        }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            pool::give_back(buffer);
        }
    }
}
