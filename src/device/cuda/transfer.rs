//! Bytes to the card, from it, and on it.

use super::context::{CudaDevice, Event};
use super::driver::{Handle, check, lock};
use super::kernel_table::Kernel;
use super::launch::{Arg, Grid};
use super::pool::CudaBlock;
use crate::dtype::DType;
use crate::error::{CudaError, Error, Result};
use cudarc::driver::sys;

static FILL: Kernel = Kernel::new("fill", "fill", &[DType::I64]);

/// How many pieces may be under way to the card, and how many bytes each has.
const SLOTS: usize = 8;
pub(super) const SLOT: usize = 1 << 20;

/// Page-locked host memory that copies to the card go through: the card reads it while the host goes on, and the caller's
/// bytes are free at once.
pub(super) struct Staging {
    /// The stream that the copies are put on.
    stream: Handle<sys::CUstream_st>,
    memory: Handle<u8>,
    /// For each slot, when the card has read it.
    read: Vec<Event>,
    next: usize,
}

impl Staging {
    /// Never freed, as its device lives as long as the process.
    pub fn new(stream: sys::CUstream) -> Result<Staging> {
        let read: Result<Vec<_>, _> = (0..SLOTS).map(|_| Event::new()).collect();
        let read = read?;
        let mut memory = std::ptr::null_mut();
        // SAFETY: a context is current in the turn that the caller has; the address is written.
        let result = unsafe { sys::cuMemHostAlloc(&mut memory, SLOTS * SLOT, 0) };
        check(result, || format!("cuMemHostAlloc of {} bytes", SLOTS * SLOT))?;
        Ok(Staging { stream: Handle(stream), memory: Handle(memory.cast()), read, next: 0 })
    }

    /// Puts at most [`SLOT`] bytes into the next slot, once the card has read it. It needs no turn.
    pub fn fill(&mut self, piece: &[u8]) -> Result<(), CudaError> {
        debug_assert!(piece.len() <= SLOT);
        self.read[self.next].wait()?;
        // SAFETY: the slot lies inside the staging memory, which nobody else has and which the card is done with.
        unsafe { self.memory.0.add(self.next * SLOT).copy_from_nonoverlapping(piece.as_ptr(), piece.len()) };
        Ok(())
    }

    /// Sends the bytes of the slot that was filled, so many, to the address `to`; the caller has the turn.
    pub fn send(&mut self, bytes: usize, to: u64) -> Result<()> {
        let slot = self.next;
        self.next = (slot + 1) % SLOTS;
        // SAFETY: the slot lies inside the staging memory.
        let start = unsafe { self.memory.0.add(slot * SLOT) };
        // SAFETY: the slot stays as it is until its event has happened; `to` has room, as the callers see to.
        let result = unsafe { sys::cuMemcpyHtoDAsync_v2(to, start.cast(), bytes, self.stream.0) };
        check(result, || format!("cuMemcpyHtoDAsync of {bytes} bytes"))?;
        self.read[slot].record(self.stream.0)?;
        Ok(())
    }
}

impl CudaDevice {
    /// Copies host bytes to the start of `to`, in stream order; `from` is free when it returns.
    ///
    /// # Errors
    /// Also in a step that is captured as a CUDA graph, which would repeat these bytes for ever.
    pub fn copy_from_host(&self, from: &[u8], to: &CudaBlock) -> Result<()> {
        self.owns(to, from.len())?;
        self.send(from, to.pointer())
    }

    /// [`CudaDevice::copy_from_host`] to an address with room for it.
    pub(super) fn send(&self, from: &[u8], to: u64) -> Result<()> {
        if from.is_empty() {
            return Ok(());
        }
        let _turn = self.turn_outside_capture("copy from the host")?;
        let mut staging = lock(&self.staging);
        let staging = match &mut *staging {
            Some(staging) => staging,
            empty => empty.insert(Staging::new(self.compute())?),
        };
        for (i, piece) in from.chunks(SLOT).enumerate() {
            staging.fill(piece)?;
            staging.send(piece.len(), to + (i * SLOT) as u64)?;
        }
        Ok(())
    }

    /// Copies the first bytes of `from` to the host and waits for them.
    ///
    /// # Errors
    /// Also in a step that is captured as a CUDA graph, which cannot wait.
    pub fn copy_to_host(&self, from: &CudaBlock, to: &mut [u8]) -> Result<()> {
        self.owns(from, to.len())?;
        if to.is_empty() {
            return Ok(());
        }
        let _turn = self.turn_outside_capture("copy to the host")?;
        // SAFETY: both have this many bytes, and `to` stays borrowed until the stream is done.
        let copied =
            unsafe { sys::cuMemcpyDtoHAsync_v2(to.as_mut_ptr().cast(), from.pointer(), to.len(), self.compute()) };
        // Waits even where the copy failed, lest it be under way into memory that is no longer ours.
        // SAFETY: the stream lives.
        let done = unsafe { sys::cuStreamSynchronize(self.compute()) };
        check(copied, || format!("cuMemcpyDtoHAsync of {} bytes", to.len()))?;
        check(done, || "cuStreamSynchronize".into())?;
        Ok(())
    }

    /// Copies the first `bytes` of one block to another of this card, in stream order.
    pub fn copy(&self, from: &CudaBlock, to: &CudaBlock, bytes: usize) -> Result<()> {
        self.owns(from, bytes)?;
        self.owns(to, bytes)?;
        if bytes == 0 || from.pointer() == to.pointer() {
            return Ok(());
        }
        let _turn = self.turn()?;
        // SAFETY: both have this many bytes, and are different blocks.
        let result = unsafe { sys::cuMemcpyDtoDAsync_v2(to.pointer(), from.pointer(), bytes, self.compute()) };
        check(result, || format!("cuMemcpyDtoDAsync of {bytes} bytes"))?;
        Ok(())
    }

    /// Repeats the `pattern` of one element (1, 2, 4 or 8 bytes) over the first `count` elements, in stream order.
    pub fn fill(&self, to: &CudaBlock, pattern: &[u8], count: usize) -> Result<()> {
        self.owns(to, pattern.len().saturating_mul(count))?;
        if count == 0 {
            return Ok(());
        }
        let _turn = self.turn()?;
        let (start, stream) = (to.pointer(), self.compute());
        // SAFETY (of each call): the block has `count` elements of the pattern's size, and is aligned to 256 bytes.
        let result = match *pattern {
            [a] => unsafe { sys::cuMemsetD8Async(start, a, count, stream) },
            [a, b] => unsafe { sys::cuMemsetD16Async(start, u16::from_ne_bytes([a, b]), count, stream) },
            [a, b, c, d] => {
                let word = u32::from_ne_bytes([a, b, c, d]);
                // SAFETY: as above.
                unsafe { sys::cuMemsetD32Async(start, word, count, stream) }
            }
            [a, b, c, d, e, f, g, h] if [a, b, c, d] == [e, f, g, h] => {
                let word = u32::from_ne_bytes([a, b, c, d]);
                // SAFETY: as above, in halves.
                unsafe { sys::cuMemsetD32Async(start, word, 2 * count, stream) }
            }
            [a, b, c, d, e, f, g, h] => {
                let value = i64::from_ne_bytes([a, b, c, d, e, f, g, h]);
                let args = [Arg::Ptr(start), Arg::I64(value), Arg::I64(count as i64)];
                return self.launch(&FILL, DType::I64, Grid::elements(count), &args);
            }
            _ => return Err(Error::Internal(format!("fill: no element has {} bytes", pattern.len()))),
        };
        check(result, || format!("cuMemset of {count} elements of {} bytes", pattern.len()))?;
        Ok(())
    }

    /// Whether the block is this card's, whose stream orders all that is done with it, and has this many bytes.
    pub(super) fn owns(&self, block: &CudaBlock, bytes: usize) -> Result<()> {
        if block.device().ordinal() == self.ordinal() && bytes <= block.size() {
            return Ok(());
        }
        let (size, other) = (block.size(), block.device());
        Err(Error::Internal(format!("{bytes} bytes of {self} were expected in a block of {size} bytes of {other}")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::{Device, Tensor};

    #[test]
    fn copies_keep_every_byte() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        // One more than a slot, more than all slots, and what fills none.
        for n in [0, 1, 33, SLOT + 1, SLOTS * SLOT + 12_345] {
            let bytes: Vec<u8> = (0..n).map(|i| (i * 31 % 251) as u8).collect();
            let tensor = Tensor::from_slice(&bytes, n)?.to_device(&Device::Cuda(device.clone()))?;
            assert!(tensor.to_vec::<u8>()? == bytes, "{n}");
            assert!(tensor.copy()?.to_vec::<u8>()? == bytes, "{n}");
        }
        let (small, large) = (device.allocate(100)?, device.allocate(10_000)?);
        assert!(device.copy(&large, &small, 10_000).is_err());
        assert!(device.copy_from_host(&[0; 10_000], &small).is_err());
        assert!(device.fill(&small, &[0; 8], usize::MAX).is_err());
        assert!(device.fill(&small, &[0; 3], 1).is_err());
        Ok(())
    }

    #[test]
    fn fills_of_every_size() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        let device = Device::Cuda(device);
        for n in [0, 1, 33, 70_001] {
            for dtype in DType::ALL {
                // 3 has equal halves in no 8-byte type, 0 in each.
                for value in [0.0, 1.0, 3.0] {
                    let full = Tensor::full(&device, n, dtype, value)?.to_device(&Device::Cpu)?;
                    assert_eq!(full.bytes()?, Tensor::full(&Device::Cpu, n, dtype, value)?.bytes()?, "{dtype} {value}");
                }
            }
        }
        Ok(())
    }
}
