//! One allocation: its bytes, and for each byte whether something wrote it.

use super::is_aligned;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

const ALIGN: usize = 512;

/// Bytes of a device, with a shadow byte each that is 1 once it was written.
///
/// Threads read and write without locks, as on a device, by relaxed atomic operations: what a kernel's race leaves is one of
/// the values that were written, and never undefined behaviour here.
#[derive(Debug)]
pub struct Allocation {
    /// The device address of the first byte.
    pub base: u64,
    /// How many bytes there are.
    pub size: usize,
    /// Whether the driver was told to free it.
    pub freed: AtomicBool,
    data: NonNull<u8>,
    written: NonNull<u8>,
}

// SAFETY: the memory belongs to this value, and all access to it is atomic.
unsafe impl Send for Allocation {}
// SAFETY: as above.
unsafe impl Sync for Allocation {}

fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.max(1).checked_next_multiple_of(ALIGN)?, ALIGN).ok()
}

impl Allocation {
    /// Memory at `base`, or `None` where the host has none.
    pub fn new(base: u64, size: usize) -> Option<Allocation> {
        let layout = layout(size)?;
        // SAFETY: the layout's size is not zero.
        let data = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // SAFETY: as above.
        let Some(written) = NonNull::new(unsafe { alloc_zeroed(layout) }) else {
            // SAFETY: allocated above with this layout.
            unsafe { dealloc(data.as_ptr(), layout) };
            return None;
        };
        Some(Allocation { base, size, freed: AtomicBool::new(false), data, written })
    }

    /// The first address behind it.
    pub fn end(&self) -> u64 {
        self.base + self.size as u64
    }

    /// The offset of `bytes` bytes at `address`, if they all lie in here.
    pub fn offset(&self, address: u64, bytes: usize) -> Option<usize> {
        let offset = usize::try_from(address.checked_sub(self.base)?).ok()?;
        (offset.checked_add(bytes)? <= self.size).then_some(offset)
    }

    /// The number of 1, 2, 4 or 8 bytes at `offset`, which is a multiple of `bytes`, and whether all of them were written.
    ///
    /// # Panics
    /// When `offset` is out of bounds or misaligned.
    #[inline(always)]
    pub fn load(&self, offset: usize, bytes: usize) -> (u64, bool) {
        assert!(offset + bytes <= self.size && is_aligned(offset as u64, bytes));
        // SAFETY: in bounds and aligned by the assertion (the blocks are aligned to 512); shared access is atomic.
        unsafe {
            let (data, written) = (self.data.as_ptr().add(offset), self.written.as_ptr().add(offset));
            match bytes {
                1 => (AtomicU8::from_ptr(data).load(Relaxed).into(), AtomicU8::from_ptr(written).load(Relaxed) == 1),
                2 => (
                    AtomicU16::from_ptr(data.cast()).load(Relaxed).into(),
                    AtomicU16::from_ptr(written.cast()).load(Relaxed) == 0x0101,
                ),
                4 => (
                    AtomicU32::from_ptr(data.cast()).load(Relaxed).into(),
                    AtomicU32::from_ptr(written.cast()).load(Relaxed) == 0x0101_0101,
                ),
                8 => (
                    AtomicU64::from_ptr(data.cast()).load(Relaxed),
                    AtomicU64::from_ptr(written.cast()).load(Relaxed) == 0x0101_0101_0101_0101,
                ),
                _ => unreachable!("an access has 1, 2, 4 or 8 bytes"),
            }
        }
    }

    /// Writes the low `bytes` bytes of `value` at `offset`.
    ///
    /// # Panics
    /// As [`Allocation::load`].
    #[inline(always)]
    pub fn store(&self, offset: usize, bytes: usize, value: u64) {
        assert!(offset + bytes <= self.size && is_aligned(offset as u64, bytes));
        // SAFETY: as in `load`.
        unsafe {
            let (data, written) = (self.data.as_ptr().add(offset), self.written.as_ptr().add(offset));
            match bytes {
                1 => {
                    AtomicU8::from_ptr(data).store(value as u8, Relaxed);
                    AtomicU8::from_ptr(written).store(1, Relaxed);
                }
                2 => {
                    AtomicU16::from_ptr(data.cast()).store(value as u16, Relaxed);
                    AtomicU16::from_ptr(written.cast()).store(0x0101, Relaxed);
                }
                4 => {
                    AtomicU32::from_ptr(data.cast()).store(value as u32, Relaxed);
                    AtomicU32::from_ptr(written.cast()).store(0x0101_0101, Relaxed);
                }
                8 => {
                    AtomicU64::from_ptr(data.cast()).store(value, Relaxed);
                    AtomicU64::from_ptr(written.cast()).store(0x0101_0101_0101_0101, Relaxed);
                }
                _ => unreachable!("an access has 1, 2, 4 or 8 bytes"),
            }
        }
    }

    /// Replaces the `bytes` (2, 4 or 8) bytes at `offset` by `update` of them in one atomic operation; gives what stood
    /// there, and whether all of it was written.
    ///
    /// # Panics
    /// As [`Allocation::load`].
    pub fn update(&self, offset: usize, bytes: usize, update: impl Fn(u64) -> u64) -> (u64, bool) {
        let was_written = self.load(offset, bytes).1;
        // SAFETY: in bounds and aligned, or `load` had panicked.
        let old = unsafe {
            let data = self.data.as_ptr().add(offset);
            match bytes {
                2 => {
                    let old = AtomicU16::from_ptr(data.cast())
                        .fetch_update(Relaxed, Relaxed, |x| Some(update(x.into()) as u16));
                    old.map_or_else(u64::from, u64::from)
                }
                4 => {
                    let old = AtomicU32::from_ptr(data.cast())
                        .fetch_update(Relaxed, Relaxed, |x| Some(update(x.into()) as u32));
                    old.map_or_else(u64::from, u64::from)
                }
                8 => {
                    let old = AtomicU64::from_ptr(data.cast()).fetch_update(Relaxed, Relaxed, |x| Some(update(x)));
                    old.unwrap_or_else(|old| old)
                }
                _ => unreachable!("an atomic operation has 2, 4 or 8 bytes"),
            }
        };
        self.mark(offset, bytes);
        (old, was_written)
    }

    /// Marks bytes as written.
    fn mark(&self, offset: usize, bytes: usize) {
        for i in offset..offset + bytes {
            // SAFETY: the caller has checked the bounds.
            unsafe { AtomicU8::from_ptr(self.written.as_ptr().add(i)) }.store(1, Relaxed);
        }
    }

    /// Copies `from` to `offset`.
    ///
    /// # Panics
    /// Out of bounds.
    pub fn write(&self, offset: usize, from: &[u8]) {
        assert!(offset + from.len() <= self.size);
        // SAFETY: in bounds. Work of the device is ordered by the timeline, so that no kernel runs meanwhile.
        unsafe {
            self.data.as_ptr().add(offset).copy_from_nonoverlapping(from.as_ptr(), from.len());
            self.written.as_ptr().add(offset).write_bytes(1, from.len());
        }
    }

    /// Copies `to.len()` bytes at `offset` to `to`.
    ///
    /// # Panics
    /// Out of bounds.
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        assert!(offset + to.len() <= self.size);
        // SAFETY: as in `write`.
        unsafe { self.data.as_ptr().add(offset).copy_to_nonoverlapping(to.as_mut_ptr(), to.len()) };
    }

    /// Copies `bytes` bytes within or between allocations, and with each whether it was written.
    ///
    /// # Panics
    /// Out of bounds.
    pub fn copy(&self, offset: usize, to: &Allocation, to_offset: usize, bytes: usize) {
        assert!(offset + bytes <= self.size && to_offset + bytes <= to.size);
        // SAFETY: as in `write`; `copy_to` allows overlap.
        unsafe {
            self.data.as_ptr().add(offset).copy_to(to.data.as_ptr().add(to_offset), bytes);
            self.written.as_ptr().add(offset).copy_to(to.written.as_ptr().add(to_offset), bytes);
        }
    }

    /// The first byte of `bytes` bytes at `offset` that nothing wrote.
    ///
    /// # Panics
    /// Out of bounds.
    pub fn first_unwritten(&self, offset: usize, bytes: usize) -> Option<usize> {
        assert!(offset + bytes <= self.size);
        // SAFETY: as in `write`.
        let written = unsafe { std::slice::from_raw_parts(self.written.as_ptr().add(offset), bytes) };
        written.iter().position(|&w| w != 1).map(|i| offset + i)
    }

    /// The bytes themselves, for the products of [`crate::blas`].
    ///
    /// # Safety
    /// The caller stays in bounds, and nothing else reads or writes what it writes meanwhile.
    pub unsafe fn pointer(&self) -> *mut u8 {
        self.data.as_ptr()
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if let Some(layout) = layout(self.size) {
            // SAFETY: both were allocated with this layout.
            unsafe {
                dealloc(self.data.as_ptr(), layout);
                dealloc(self.written.as_ptr(), layout);
            }
        }
    }
}
