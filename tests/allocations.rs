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
    let mut cases = vec![("poolings and statistics", pooled()?, vec![pictures()?], 300)];
    for program in uncrumple::programs::ALL {
        let trainer = program.compile(program.model()?, ())?;
        // Few small steps of those that take long.
        let (batch, steps) = if program.name.starts_with("dense") { (program.batch.0, 300) } else { (2, 20) };
        let batches = (0..3).map(|seed| program.data(batch, seed)).collect::<Result<Vec<_>>>()?;
        cases.push((program.name, trainer, batches, steps));
    }
    for (name, mut trainer, batches, count) in cases {
        let (allocations, held) = threads::enter(|| -> Result<_> {
            let mut steps = |n: usize| (0..n).try_for_each(|i| trainer.train_on_batch(&batches[i % batches.len()]));
            steps(10)?;
            assert!(ALLOCATIONS.load(Relaxed) > 0, "the first steps allocate, or nothing is counted");
            let before = (ALLOCATIONS.load(Relaxed), pool::bytes_held());
            steps(count)?;
            Ok((ALLOCATIONS.load(Relaxed) - before.0, pool::bytes_held() - before.1))
        })?;
        assert_eq!((allocations, held), (0, 0), "{name}: allocations in {count} steps, bytes the pool grew");
    }
    shares_that_go_at_once_are_counted()
}

/// Layers that no program has.
fn pooled() -> Result<Trainer> {
    let model = Sequential::new([8, 8, 4])
        .add(BatchNormalization::new())
        .add(MaxPooling2D::new(3).strides(2).padding(Padding::Same))
        .add(Dense::new(6).relu())
        .add(BatchNormalization::new().scale(false))
        .add(AveragePooling2D::new(2))
        .add(BatchNormalization::new().center(false))
        .add(DepthwiseConv2D::new(7).padding(Padding::Same))
        .add(Conv2D::new(5, 7).padding(Padding::Same))
        .add(GlobalAveragePooling2D::new())
        .add(Dense::new(3).softmax());
    model.build()?.compile(SGD::new(0.01), SparseCategoricalCrossentropy::new(), [Accuracy::new()])
}

fn pictures() -> Result<Dataset> {
    let x: Vec<f32> = (0..32 * 8 * 8 * 4).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let labels: Vec<i32> = (0..32).map(|i| i % 3).collect();
    Dataset::new(Tensor::from_slice(&x, [32, 8, 8, 4])?, Tensor::from_slice(&labels, 32)?)
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
