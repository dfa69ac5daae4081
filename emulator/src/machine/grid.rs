//! A grid: its blocks over the threads of this machine.

use super::{Block, Fault, Kernel, WARP, Warp};
use crate::memory::View;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Three extents, or a place within them: x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dim(pub [u32; 3]);

impl Dim {
    /// How many places there are.
    pub fn count(self) -> usize {
        self.0.iter().map(|&n| n as usize).product()
    }

    /// The place with this number; x changes fastest.
    pub fn place(self, number: usize) -> Dim {
        let [x, y, _] = self.0.map(|n| (n as usize).max(1));
        Dim([(number % x) as u32, (number / x % y) as u32, (number / x / y) as u32])
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y, z] = self.0;
        write!(f, "({x}, {y}, {z})")
    }
}

/// What a launch says beside the kernel.
#[derive(Debug)]
pub struct Launch<'a> {
    /// How many blocks.
    pub grid: Dim,
    /// How many threads a block has.
    pub block: Dim,
    /// Bytes of dynamic shared memory.
    pub shared: usize,
    /// The parameters' bytes, each at its offset.
    pub params: &'a [u8],
    /// Whether reads of unwritten memory and races are looked for.
    pub checks: bool,
    /// How many threads of this machine run blocks.
    pub threads: usize,
}

/// Runs a kernel to its end; gives how many lanes executed an instruction, over all instructions.
///
/// # Errors
/// The first fault of the block with the lowest number among those that met one.
pub fn run(kernel: &Kernel, launch: &Launch, global: &View) -> Result<u64, Box<Fault>> {
    let blocks = launch.grid.count();
    let (next, executed) = (AtomicUsize::new(0), AtomicU64::new(0));
    let fault: Mutex<Option<(usize, Box<Fault>)>> = Mutex::new(None);
    let work = || {
        let mut block = Block::new(launch, kernel, global);
        let mut warps: Vec<Warp> =
            (0..launch.block.count().div_ceil(WARP)).map(|number| Warp::new(kernel, number)).collect();
        loop {
            let number = next.fetch_add(1, Relaxed);
            if number >= blocks {
                break;
            }
            if let Err(met) = block.run(launch.grid.place(number), &mut warps) {
                // No further blocks begin.
                next.store(blocks, Relaxed);
                let mut first = fault.lock().unwrap_or_else(PoisonError::into_inner);
                if first.as_ref().is_none_or(|(n, _)| number < *n) {
                    *first = Some((number, met));
                }
                break;
            }
        }
        executed.fetch_add(block.executed, Relaxed);
    };
    let threads = launch.threads.min(blocks);
    if threads <= 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            (1..threads).for_each(|_| drop(scope.spawn(work)));
            work();
        });
    }
    match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, fault)) => Err(fault),
        None => Ok(executed.into_inner()),
    }
}
