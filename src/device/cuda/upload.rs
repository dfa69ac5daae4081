//! Bytes that travel to the card while it computes.

use super::context::{CudaDevice, Event};
use super::driver::{check, lock};
use super::pool::CudaBlock;
use super::transfer::{SLOT, Staging};
use crate::error::{Error, Result};
use cudarc::driver::sys;
use std::sync::Arc;

/// Host bytes on their way to a card, on a stream of their own.
pub struct Upload {
    device: Arc<CudaDevice>,
    /// Nobody else's until the bytes are ordered before the work that reads them.
    block: Option<CudaBlock>,
    arrived: Event,
}

impl CudaDevice {
    /// Begins to copy host bytes to new memory of the card. The copy waits for the work that the device has now, which may
    /// still read that memory, and goes beside what it is given later; `from` is free when this returns, which for more bytes
    /// than are staged (8 MiB) takes until that work is done. Meant for a thread that reads batches ahead.
    ///
    /// # Errors
    /// A device that fails or whose memory is full; a thread that is capturing a CUDA graph.
    pub fn upload(self: &Arc<CudaDevice>, from: &[u8]) -> Result<Upload> {
        let turn = self.turn_outside_capture("upload bytes")?;
        let block = Some(self.allocate(from.len())?);
        let upload = Upload { device: self.clone(), block, arrived: Event::new()? };
        let (to, stream) = (upload.block.as_ref().map_or(0, CudaBlock::pointer), self.copies());
        let free = Event::new()?;
        free.record(self.compute())?;
        free.hold_back(stream)?;
        drop(turn);

        let mut staging = lock(&self.uploads);
        for (i, piece) in from.chunks(SLOT).enumerate() {
            let staging = match &mut *staging {
                Some(staging) => staging,
                empty => {
                    let _turn = self.turn()?;
                    empty.insert(Staging::new(stream)?)
                }
            };
            // Ahead of the turn, which whoever launches the device's work must not wait for meanwhile.
            staging.fill(piece)?;
            let _turn = self.turn()?;
            staging.send(piece.len(), to + (i * SLOT) as u64)?;
        }
        let _turn = self.turn()?;
        upload.arrived.record(stream)?;
        Ok(upload)
    }
}

impl Upload {
    /// The memory; the work that the device is given from now on waits for the bytes.
    ///
    /// # Errors
    /// A device that fails; a thread that is capturing a CUDA graph.
    pub fn block(mut self) -> Result<CudaBlock> {
        let device = self.device.clone();
        let _turn = device.turn_outside_capture("wait for an upload")?;
        self.arrived.hold_back(device.compute())?;
        self.block.take().ok_or_else(|| Error::Internal("an upload without memory".into()))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(block) = self.block.take() else { return };
        // Its next user would not wait for bytes that are under way to it.
        let done = self.device.turn_outside_capture("give up an upload").and_then(|_turn| {
            // SAFETY: the stream lives.
            Ok(check(unsafe { sys::cuStreamSynchronize(self.device.copies()) }, || "cuStreamSynchronize".into())?)
        });
        if done.is_err() {
            // A card that fails for good, or a capture: better lost than written over.
            std::mem::forget(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use std::sync::Mutex;

    /// These tests hold the turn longer than a step of an upload: one that waits for it amid another would not end.
    static ALONE: Mutex<()> = Mutex::new(());

    fn bytes(n: usize, seed: usize) -> Vec<u8> {
        (0..n).map(|i| ((i + seed) * 31 % 251) as u8).collect()
    }

    fn read(device: &CudaDevice, block: &CudaBlock, n: usize) -> Result<Vec<u8>> {
        let mut read = vec![0; n];
        device.copy_to_host(block, &mut read)?;
        Ok(read)
    }

    #[test]
    fn work_that_comes_after_sees_the_bytes() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        let _alone = lock(&ALONE);
        // Nothing, less than a slot, more than all slots.
        for n in [0, 1000, 9 << 20] {
            let block = device.upload(&bytes(n, 1))?.block()?;
            assert!(read(&device, &block, n)? == bytes(n, 1), "{n}");
        }
        Ok(())
    }

    /// The memory was let go while work that reads it had not run yet.
    #[test]
    fn memory_that_is_still_read_waits() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        let _alone = lock(&ALONE);
        // No other test takes the block that is let go.
        let _turn = device.turn()?;
        let n = 345_678;
        let (old, copy) = (device.allocate(n)?, device.allocate(n)?);
        device.copy_from_host(&bytes(n, 2), &old)?;
        device.copy(&old, &copy, n)?;
        let pointer = old.pointer();
        drop(old);
        let upload = device.upload(&bytes(n, 3))?;
        assert_eq!(upload.block.as_ref().map(CudaBlock::pointer), Some(pointer));
        upload.arrived.wait()?;
        assert!(read(&device, &copy, n)? == bytes(n, 2));
        assert!(read(&device, &upload.block()?, n)? == bytes(n, 3));
        Ok(())
    }

    #[test]
    fn an_upload_that_is_given_up_writes_over_nothing() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        let _alone = lock(&ALONE);
        let _turn = device.turn()?;
        let n = 234_567;
        let upload = device.upload(&bytes(n, 4))?;
        let pointer = upload.block.as_ref().map(CudaBlock::pointer);
        drop(upload);
        let block = device.allocate(n)?;
        assert_eq!(Some(block.pointer()), pointer);
        device.copy_from_host(&bytes(n, 5), &block)?;
        assert!(read(&device, &block, n)? == bytes(n, 5));
        // What was given up would come now.
        // SAFETY: the stream lives.
        check(unsafe { sys::cuStreamSynchronize(device.copies()) }, || "cuStreamSynchronize".into())?;
        assert!(read(&device, &block, n)? == bytes(n, 5));
        Ok(())
    }
}
