//! Device memory for tensors: taken from the driver once, then handed round.
//!
//! Blocks come in the size classes of the CPU's pool. A block that is let go waits on its class's shelf, though work that
//! uses it may still be queued: everything runs on one stream, so whoever takes it next comes later there too. After the
//! first step, a step asks the driver for nothing.
//!
//! A CUDA graph repeats its work at the same addresses. So the blocks that are taken while a graph is captured belong to
//! it, go round only inside the capture, and are handed back when the graph and the last tensor in them are gone: between
//! two launches nobody else gets them.

use super::context::CudaDevice;
use super::driver::{Card, Handle, Relaxed, check, lock};
use crate::device::cpu::pool::{class_of, class_size};
use crate::device::{Buffer, Storage};
use crate::dtype::as_bytes;
use crate::error::{CudaError, Error, Result};
use cudarc::driver::sys::{self, CUresult};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed as Unordered};
use std::sync::{Arc, Mutex};

/// The blocks of a device that wait for use, and how many bytes are out.
pub(super) struct Pool {
    driver: Handle<sys::CUmemPoolHandle_st>,
    state: Mutex<State>,
    in_use: AtomicUsize,
    held: AtomicUsize,
}

#[derive(Default)]
struct State {
    shelves: Shelves,
    /// Whose memory the turn's thread takes while it captures a graph.
    capture: Option<Arc<GraphMemory>>,
}

/// Waiting blocks by size class.
#[derive(Default)]
struct Shelves(Vec<Vec<u64>>);

impl Shelves {
    fn take(&mut self, class: usize) -> Option<u64> {
        self.0.get_mut(class)?.pop()
    }

    fn put(&mut self, class: usize, pointer: u64) {
        if self.0.len() <= class {
            self.0.resize(class + 1, Vec::new());
        }
        self.0[class].push(pointer);
    }
}

/// Memory of a CUDA card. It goes back to the pool when it is dropped.
pub struct CudaBlock {
    device: Arc<CudaDevice>,
    pointer: u64,
    class: usize,
    graph: Option<Arc<GraphMemory>>,
}

impl CudaBlock {
    /// The card.
    pub fn device(&self) -> &Arc<CudaDevice> {
        &self.device
    }

    /// The address on the device, a multiple of 256.
    pub fn pointer(&self) -> u64 {
        self.pointer
    }

    /// How many bytes it has, at least as many as were asked for.
    pub fn size(&self) -> usize {
        class_size(self.class)
    }
}

impl Drop for CudaBlock {
    fn drop(&mut self) {
        let (pointer, class) = (self.pointer, self.class);
        match &self.graph {
            Some(graph) => lock(&graph.blocks).give_back(class, pointer),
            None => self.device.pool.give_back(&self.device, class, pointer),
        }
    }
}

/// The blocks of one graph.
pub(super) struct GraphMemory {
    device: Arc<CudaDevice>,
    blocks: Mutex<GraphBlocks>,
}

#[derive(Default)]
struct GraphBlocks {
    shelves: Shelves,
    /// Class and address of all of them, those on the shelves included.
    owned: Vec<(usize, u64)>,
    /// Addresses of what each launch reads and none writes, and what stands there.
    constants: Vec<(u64, Vec<i64>)>,
}

impl GraphBlocks {
    fn give_back(&mut self, class: usize, pointer: u64) {
        if !self.constants.iter().any(|(constant, _)| *constant == pointer) {
            self.shelves.put(class, pointer);
        }
    }
}

impl GraphMemory {
    pub fn new(device: &Arc<CudaDevice>) -> Arc<GraphMemory> {
        Arc::new(GraphMemory { device: device.clone(), blocks: Mutex::default() })
    }

    /// Writes the constants of a capture that has ended, ahead of the first launch.
    pub fn write_constants(&self) -> Result<()> {
        for (pointer, table) in &lock(&self.blocks).constants {
            self.device.send(as_bytes(table), *pointer)?;
        }
        Ok(())
    }
}

impl Drop for GraphMemory {
    fn drop(&mut self) {
        let pool = &self.device.pool;
        let mut state = lock(&pool.state);
        for (class, pointer) in lock(&self.blocks).owned.drain(..) {
            state.shelves.put(class, pointer);
            pool.in_use.fetch_sub(class_size(class), Unordered);
        }
    }
}

impl Pool {
    pub fn new(card: &Card) -> Result<Pool> {
        let (mut driver, mut threshold) = (std::ptr::null_mut(), u64::MAX);
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: the device is one that the driver named; the pool's handle is written, and the threshold is a u64, as
        // the attribute asks. Without it, the driver's pool gives its memory back at each wait.
        unsafe {
            let call = || format!("cuDeviceGetDefaultMemPool of {}", card.name);
            check(sys::cuDeviceGetDefaultMemPool(&mut driver, card.device), call)?;
            let result = sys::cuMemPoolSetAttribute(driver, attribute, (&raw mut threshold).cast());
            check(result, || "cuMemPoolSetAttribute".into())?;
        }
        Ok(Pool {
            driver: Handle(driver),
            state: Mutex::default(),
            in_use: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        })
    }

    /// The memory of the graph that this thread is capturing, if it is.
    pub fn capture(&self, device: &CudaDevice) -> Option<Arc<GraphMemory>> {
        if device.is_my_turn() { lock(&self.state).capture.clone() } else { None }
    }

    /// Begins or ends taking blocks for a graph; the caller has the turn meanwhile.
    pub fn set_capture(&self, memory: Option<Arc<GraphMemory>>) {
        let before = std::mem::replace(&mut lock(&self.state).capture, memory);
        // Its drop locks the state.
        drop(before);
    }

    fn give_back(&self, device: &CudaDevice, class: usize, pointer: u64) {
        let mut state = lock(&self.state);
        match state.capture.as_ref().filter(|_| device.is_my_turn()) {
            // The captured work may read this block, so its content must outlive the graph: nobody gets it before.
            Some(graph) => lock(&graph.blocks).owned.push((class, pointer)),
            None => {
                state.shelves.put(class, pointer);
                self.in_use.fetch_sub(class_size(class), Unordered);
            }
        }
    }

    /// Puts memory that `allocate_from_driver` gave and nobody uses where it waits for use.
    pub fn keep(&self, bytes: usize, pointer: u64) {
        lock(&self.state).shelves.put(class_of(bytes), pointer);
    }
}

impl CudaDevice {
    /// At least `size` bytes with unspecified content.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], after the blocks that wait for use were given back to the driver in vain.
    pub fn allocate(self: &Arc<CudaDevice>, size: usize) -> Result<CudaBlock> {
        if size > isize::MAX as usize {
            return Err(self.out_of_memory(size));
        }
        let class = class_of(size);
        let graph = self.pool.capture(self);
        let circulating = graph.as_ref().and_then(|graph| lock(&graph.blocks).shelves.take(class));
        let pointer = match circulating {
            Some(pointer) => pointer,
            None => {
                let waiting = lock(&self.pool.state).shelves.take(class);
                let pointer = match waiting {
                    Some(pointer) => pointer,
                    None => self.allocate_from_driver(class_size(class), graph.is_some())?,
                };
                self.pool.in_use.fetch_add(class_size(class), Unordered);
                if let Some(graph) = &graph {
                    lock(&graph.blocks).owned.push((class, pointer));
                }
                pointer
            }
        };
        Ok(CudaBlock { device: self.clone(), pointer, class, graph })
    }

    /// Host numbers on the device, for kernels that read a table.
    ///
    /// While a graph is captured, the copy waits until the capture ends; every launch then reads it.
    pub fn constant(&self, table: &[i64]) -> Result<Storage> {
        let device = self.handle()?;
        let _turn = self.turn()?;
        let empty = || -> Result<CudaBlock> { device.allocate(size_of_val(table)) };
        let storage = |block| Storage::of(Buffer::Cuda(block));
        let Some(graph) = self.pool.capture(self) else {
            let block = empty()?;
            self.copy_from_host(as_bytes(table), &block)?;
            return Ok(storage(block));
        };
        // Not a block that has gone round in this capture: each launch would write over it first.
        let shelves = std::mem::take(&mut lock(&graph.blocks).shelves);
        let block = empty();
        let mut blocks = lock(&graph.blocks);
        blocks.shelves = shelves;
        let block = block?;
        blocks.constants.push((block.pointer(), table.to_vec()));
        Ok(storage(block))
    }

    /// Bytes in blocks that tensors and CUDA graphs hold.
    pub fn bytes_in_use(&self) -> usize {
        self.pool.in_use.load(Unordered)
    }

    /// Bytes that the pool has from the driver, waiting blocks included.
    pub fn bytes_held(&self) -> usize {
        self.pool.held.load(Unordered)
    }

    /// Gives the blocks that wait for use back to the driver; waits for all work.
    ///
    /// # Errors
    /// A driver that takes one not; it stays in the pool, as do those after it.
    pub fn release_all(&self) -> Result<()> {
        let _turn = self.turn_outside_capture("release memory")?;
        let shelves = std::mem::take(&mut lock(&self.pool.state).shelves).0;
        let mut blocks =
            shelves.into_iter().enumerate().flat_map(|(class, shelf)| shelf.into_iter().map(move |p| (class, p)));
        let mut result = Ok(());
        for (class, pointer) in &mut blocks {
            // SAFETY: the pointer came from `cuMemAllocAsync`, and nobody holds it; work that uses it is ahead in the stream.
            let freed = unsafe { sys::cuMemFreeAsync(pointer, self.compute()) };
            result = check(freed, || format!("cuMemFreeAsync of {} bytes", class_size(class)));
            if result.is_err() {
                lock(&self.pool.state).shelves.put(class, pointer);
                break;
            }
            self.pool.held.fetch_sub(class_size(class), Unordered);
        }
        blocks.for_each(|(class, pointer)| lock(&self.pool.state).shelves.put(class, pointer));
        result?;
        self.synchronize()?;
        // SAFETY: the pool is the device's own, which is always there.
        check(unsafe { sys::cuMemPoolTrimTo(self.pool.driver.0, 0) }, || "cuMemPoolTrimTo".into())?;
        Ok(())
    }

    /// Memory outside the pool's count of what is in use, which [`CudaDevice::allocate`] builds on.
    pub(super) fn allocate_from_driver(&self, bytes: usize, capturing: bool) -> Result<u64> {
        let _turn = self.turn()?;
        let mut result = self.ask_driver(bytes, capturing)?;
        if result == Err(CUresult::CUDA_ERROR_OUT_OF_MEMORY) && !capturing {
            self.release_all()?;
            result = self.ask_driver(bytes, capturing)?;
        }
        match result {
            Ok(pointer) => {
                self.pool.held.fetch_add(bytes, Unordered);
                Ok(pointer)
            }
            Err(CUresult::CUDA_ERROR_OUT_OF_MEMORY) => Err(self.out_of_memory(bytes)),
            Err(result) => {
                check(result, || format!("cuMemAllocAsync of {bytes} bytes"))?;
                Err(Error::Internal("cuMemAllocAsync failed without an error".into()))
            }
        }
    }

    fn ask_driver(&self, bytes: usize, capturing: bool) -> Result<Result<u64, CUresult>, CudaError> {
        let mut pointer = 0;
        if !capturing {
            // SAFETY: the stream lives; the address is written, and is good for what follows on the same stream.
            let result = unsafe { sys::cuMemAllocAsync(&mut pointer, bytes, self.compute()) };
            return Ok(if result == CUresult::CUDA_SUCCESS { Ok(pointer) } else { Err(result) });
        }
        // On the stream that is captured, this would become a node that takes memory anew at each launch. So it is taken
        // on the other stream, and is good everywhere once that one is done.
        let _relaxed = Relaxed::enter()?;
        // SAFETY: as above.
        let result = unsafe { sys::cuMemAllocAsync(&mut pointer, bytes, self.copies()) };
        if result != CUresult::CUDA_SUCCESS {
            return Ok(Err(result));
        }
        // SAFETY: the stream lives, and is not the captured one.
        check(unsafe { sys::cuStreamSynchronize(self.copies()) }, || "cuStreamSynchronize".into())?;
        Ok(Ok(pointer))
    }

    fn out_of_memory(&self, requested: usize) -> Error {
        Error::OutOfMemory {
            device: self.to_string(),
            requested,
            in_use: self.bytes_in_use(),
            advice: "A smaller batch size or mixed precision needs less; `nvidia-smi` shows what other programs take.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn shelves_give_back_what_they_got() {
        let mut shelves = Shelves::default();
        let class = class_of(1000);
        assert_eq!(shelves.take(class), None);
        shelves.put(class, 256);
        shelves.put(class, 512);
        assert_eq!(shelves.take(class_of(4000)), None);
        assert_eq!([shelves.take(class), shelves.take(class), shelves.take(class)], [Some(512), Some(256), None]);
    }

    #[test]
    fn blocks_come_back_and_are_counted() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        // No other test of this process takes blocks meanwhile.
        let _turn = device.turn()?;
        const SIZE: usize = 777_777;
        let block = device.allocate(SIZE)?;
        let pointer = block.pointer();
        assert!(pointer.is_multiple_of(256) && block.size() >= SIZE);
        assert!(device.bytes_in_use() >= SIZE && device.bytes_held() >= SIZE);
        drop(block);
        assert_eq!(device.allocate(SIZE)?.pointer(), pointer);
        drop(device.allocate(0)?);
        device.release_all()
    }

    #[test]
    fn too_much_is_out_of_memory() -> Result<()> {
        let Some(device) = testing::device() else { return Ok(()) };
        for size in [1 << 50, usize::MAX] {
            let error = device.allocate(size).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with("cuda:0: out of memory"), "{error}");
        }
        Ok(())
    }
}
