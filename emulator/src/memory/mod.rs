//! Where a device's data lives.
//!
//! A device address is a number that no host pointer equals: every allocation has a range of its own, with a gap behind
//! it, and no range is used twice. So an address that is out of bounds, freed, or the host's is always recognised.

mod allocation;
mod global;
mod shared;

pub use allocation::Allocation;
pub use global::{Global, View};
pub use shared::{Clock, Place, Shared};

/// Generic addresses from here on lie in the block's shared memory.
pub const SHARED: u64 = 1 << 56;
/// Generic addresses from here on lie in the thread's local memory.
pub const LOCAL: u64 = 1 << 57;
/// Generic addresses from here on lie in the kernel's parameters.
pub const PARAM: u64 = 1 << 58;
/// The size of each of these windows.
pub const WINDOW: u64 = 1 << 32;

/// Whether an address or offset is a multiple of `bytes`, a power of two: a division takes longer than the access.
#[inline(always)]
pub fn is_aligned(at: u64, bytes: usize) -> bool {
    at & (bytes as u64 - 1) == 0
}

/// What is wrong with an access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No memory there, or not all of it.
    OutOfBounds(String),
    /// Memory that was freed.
    Freed(String),
    /// An address that is no multiple of the access's size.
    Misaligned(String),
    /// Bytes that nothing wrote.
    Unwritten(String),
    /// Two threads at the same bytes of shared memory without a barrier between them, one of them writing.
    Race(String),
}
