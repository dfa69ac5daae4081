//! After the first steps, a training step takes nothing from the system's allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use uncrumple::device::cpu::{pool, threads};
use uncrumple::prelude::*;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread trains; what the test harness does meanwhile is its own affair.
    static TRAINS: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    if TRAINS.get() {
        ALLOCATIONS.fetch_add(1, Relaxed);
    }
}

// SAFETY: passes every call on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise; so below.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// One test, since the count is the process's.
#[test]
fn a_step_takes_nothing_from_the_allocator() -> Result<()> {
    rayon::broadcast(|_| TRAINS.set(true));
    for program in uncrumple::programs::ALL {
        let mut trainer = program.compile(program.model()?, ())?;
        // Few small steps of those that take long.
        let (batch, most) = if program.name.starts_with("dense") { (program.batch.0, 300) } else { (2, 20) };
        let batches = (0..3).map(|seed| program.data(batch, seed)).collect::<Result<Vec<_>>>()?;
        let (allocations, held) = threads::enter(|| -> Result<_> {
            let mut steps = |n: usize| (0..n).try_for_each(|i| trainer.train_on_batch(&batches[i % batches.len()]));
            steps(10)?;
            assert!(ALLOCATIONS.load(Relaxed) > 0, "the first steps allocate, or nothing is counted");
            let before = (ALLOCATIONS.load(Relaxed), pool::bytes_held());
            steps(most)?;
            Ok((ALLOCATIONS.load(Relaxed) - before.0, pool::bytes_held() - before.1))
        })?;
        assert_eq!((allocations, held), (0, 0), "{}: allocations in {most} steps, bytes the pool grew", program.name);
    }
    shares_that_go_at_once_are_counted()
}

/// Two threads let go of the two shares of a buffer at once, many times.
fn shares_that_go_at_once_are_counted() -> Result<()> {
    let before = pool::bytes_in_use();
    let shares: Vec<Tensor> = (0..20_000).map(|_| Tensor::zeros(&Device::Cpu, 1, DType::F32)).collect::<Result<_>>()?;
    let others = shares.clone();
    let arrived = AtomicUsize::new(0);
    let let_go = |shares: Vec<Tensor>| {
        for (i, share) in shares.into_iter().enumerate() {
            arrived.fetch_add(1, Relaxed);
            while arrived.load(Relaxed) < 2 * (i + 1) {
                std::hint::spin_loop();
            }
            drop(share);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| let_go(shares));
        scope.spawn(|| let_go(others));
    });
    assert_eq!(pool::bytes_in_use(), before);
    Ok(())
}
