//! Memory that an op needs while it runs.

use crate::device::{Buffer, Device, Storage};
use crate::error::{Error, Result};
use std::marker::PhantomData;

/// Elements from the pool, which are anything at first.
pub struct Scratch<T> {
    storage: Storage,
    len: usize,
    of: PhantomData<T>,
}

impl<T: bytemuck::Pod> Scratch<T> {
    /// Memory for `len` elements.
    ///
    /// # Errors
    /// There is none.
    pub fn new(len: usize) -> Result<Scratch<T>> {
        let bytes = len.checked_mul(size_of::<T>()).ok_or_else(|| {
            Error::Internal(format!("scratch memory for {len} elements of {} bytes each", size_of::<T>()))
        })?;
        Ok(Scratch { storage: Storage::new(&Device::Cpu, bytes)?, len, of: PhantomData })
    }

    /// The elements.
    pub fn elements(&mut self) -> &mut [T] {
        match self.storage.get_mut() {
            Some(Buffer::Cpu(block)) => &mut bytemuck::cast_slice_mut(block.bytes_mut())[..self.len],
            _ => unreachable!("a new storage of the CPU has one owner"),
        }
    }
}
