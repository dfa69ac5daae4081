//! Host memory for tensors: taken from the system once, then handed round.
//!
//! Blocks come in size classes, eight to a power of two (at most an eighth is lost). A block that is let go waits on its
//! class's shelf with its reference count, so that a training step after the first takes nothing from the allocator.

use crate::device::Buffer;
use crate::error::{Error, Result};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// The alignment of every block: a cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;
const CLASSES: usize = 8 * 64;

static SHELVES: Mutex<[Vec<Arc<Buffer>>; CLASSES]> = Mutex::new([const { Vec::new() }; CLASSES]);
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Host memory of one size class.
pub struct Block {
    start: NonNull<u8>,
    class: usize,
    /// Whether a tensor holds it, rather than a shelf.
    in_use: bool,
}

// SAFETY: a block owns its bytes, and shared access to it only reads them.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    fn new(class: usize) -> Option<Block> {
        // Zeroed, so that the bytes are initialised whatever reads them first; the system gives zero pages lazily.
        // SAFETY: `layout` has a size of at least `ALIGNMENT`.
        let start = NonNull::new(unsafe { alloc_zeroed(layout(class)?) })?;
        HELD.fetch_add(class_size(class), Relaxed);
        Some(Block { start, class, in_use: false })
    }

    /// All bytes of the block, at least as many as were asked for.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the block owns this many initialised bytes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), class_size(self.class)) }
    }

    /// The bytes for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` is the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), class_size(self.class)) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        HELD.fetch_sub(class_size(self.class), Relaxed);
        if self.in_use {
            IN_USE.fetch_sub(class_size(self.class), Relaxed);
        }
        if let Some(layout) = layout(self.class) {
            // SAFETY: `start` came from `alloc_zeroed` with this layout.
            unsafe { dealloc(self.start.as_ptr(), layout) }
        }
    }
}

/// The class of the smallest blocks that hold `size` bytes.
pub(crate) fn class_of(size: usize) -> usize {
    let size = size.max(ALIGNMENT);
    let exponent = size.ilog2() as usize;
    let eighth = 1usize << (exponent - 3);
    let steps = (size - (1 << exponent)).div_ceil(eighth);
    exponent * 8 + steps
}

pub(crate) fn class_size(class: usize) -> usize {
    let exponent = class / 8;
    (1usize << exponent) + (class % 8) * (1usize << (exponent - 3))
}

fn layout(class: usize) -> Option<Layout> {
    Layout::from_size_align(class_size(class), ALIGNMENT).ok()
}

/// A block of at least `size` bytes that nobody else holds.
pub fn take(size: usize) -> Result<Arc<Buffer>> {
    let out_of_memory = || Error::OutOfMemory {
        device: "cpu".into(),
        requested: size,
        in_use: bytes_in_use(),
        advice: "A smaller batch size needs less.",
    };
    if size > isize::MAX as usize {
        return Err(out_of_memory());
    }
    let class = class_of(size);
    let waiting = SHELVES.lock().unwrap_or_else(PoisonError::into_inner)[class].pop();
    let mut buffer = match waiting {
        Some(buffer) => buffer,
        None => {
            let block = Block::new(class).or_else(|| {
                release_all();
                Block::new(class)
            });
            Arc::new(Buffer::Cpu(block.ok_or_else(out_of_memory)?))
        }
    };
    if let Some(Buffer::Cpu(block)) = Arc::get_mut(&mut buffer) {
        block.in_use = true;
        IN_USE.fetch_add(class_size(class), Relaxed);
    }
    Ok(buffer)
}

/// Puts a block of the host's on its shelf, if nobody else holds it.
///
/// Of two threads that let go of the last two shares at once, each may see the other's still there. The block then goes
/// back to the system, and its drop counts it.
pub(crate) fn give_back(mut buffer: Arc<Buffer>) {
    if let Some(Buffer::Cpu(block)) = Arc::get_mut(&mut buffer) {
        let class = block.class;
        block.in_use = false;
        IN_USE.fetch_sub(class_size(class), Relaxed);
        SHELVES.lock().unwrap_or_else(PoisonError::into_inner)[class].push(buffer);
    }
}

/// Hands the waiting blocks back to the system.
pub fn release_all() {
    let mut shelves = SHELVES.lock().unwrap_or_else(PoisonError::into_inner);
    for shelf in shelves.iter_mut() {
        shelf.clear();
    }
}

/// Bytes in blocks that tensors hold.
pub fn bytes_in_use() -> usize {
    IN_USE.load(Relaxed)
}

/// Bytes that the pool has from the system, waiting blocks included.
pub fn bytes_held() -> usize {
    HELD.load(Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_its_sizes_and_wastes_little() {
        for size in (0..5000).chain([1 << 20, (1 << 20) + 1, 123_456_789]) {
            let got = class_size(class_of(size));
            assert!(got >= size, "{size} got {got}");
            assert!(got <= size.max(ALIGNMENT) + size / 8 + 8, "{size} got {got}");
        }
    }

    #[test]
    fn too_much_is_out_of_memory() {
        for size in [1 << 60, usize::MAX] {
            assert!(matches!(take(size), Err(Error::OutOfMemory { requested, .. }) if requested == size), "{size}");
        }
    }

    #[test]
    fn blocks_are_aligned_and_come_back() -> Result<()> {
        // A size that no other test takes, so that the shelf is this test's alone.
        const SIZE: usize = 77_777;
        let storage = crate::device::Storage::new(&crate::device::Device::Cpu, SIZE)?;
        let first = storage.bytes()?.as_ptr();
        assert_eq!(first as usize % ALIGNMENT, 0);
        drop(storage);
        let storage = crate::device::Storage::new(&crate::device::Device::Cpu, SIZE)?;
        assert_eq!(storage.bytes()?.as_ptr(), first);
        Ok(())
    }
}
