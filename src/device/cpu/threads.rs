//! The CPU's threads: rayon's pool, and the few ways in which ops divide their work.
//!
//! How work is cut never depends on which thread takes it, so results do not either.

use crate::error::{Error, Result};
use std::ops::Range;

/// How many threads ops use: all of the machine's, unless [`set_count`] said otherwise.
pub fn count() -> usize {
    rayon::current_num_threads()
}

/// As many threads as can be asked for. Each takes a stack from the machine, so that a number which nobody meant would
/// stop it.
pub const MOST: usize = 1024;

/// Fixes the number of threads for this process; 0 stands for all of the machine's.
///
/// # Errors
/// More than [`MOST`], or threads that are already running.
pub fn set_count(threads: usize) -> Result<()> {
    if threads > MOST {
        return Err(Error::Config(format!("{threads} threads are too many: expected at most {MOST}")));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| Error::Config(format!("the number of threads must be set before anything runs: {e}")))
}

/// Runs `work` inside the pool, where handing pieces to the other threads is cheapest. A training loop belongs here.
pub fn enter<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// Calls `work` for each number below `pieces`, over the threads.
///
/// Here and in [`split`], `work` is called by pointer: one copy of rayon's machinery for every loop of every op would be
/// half of all the code that this crate compiles to.
pub fn for_each(pieces: usize, work: &(dyn Fn(usize) + Sync)) {
    fn halve(range: Range<usize>, work: &(dyn Fn(usize) + Sync)) {
        if range.len() <= 1 {
            range.for_each(work);
        } else {
            let middle = range.start + range.len() / 2;
            rayon::join(|| halve(range.start..middle, work), || halve(middle..range.end, work));
        }
    }
    if pieces <= 1 || count() == 1 {
        (0..pieces).for_each(work);
    } else {
        halve(0..pieces, work);
    }
}

/// Cuts `0..len` into at most one range a thread, none shorter than `grain`, and calls `work` for each.
pub fn split(len: usize, grain: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
    let pieces = (len / grain.max(1)).clamp(1, count());
    if pieces == 1 {
        return work(0..len);
    }
    let (each, more) = (len / pieces, len % pieces);
    for_each(pieces, &|i| {
        let start = i * each + i.min(more);
        work(start..start + each + usize::from(i < more));
    });
}

/// [`split`] over the rows of `out`: `work` gets the first row's number and the rows' elements.
pub fn split_rows<T: Send>(out: &mut [T], row: usize, grain_rows: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if row == 0 || out.is_empty() {
        return;
    }
    let all = Parts::new(out);
    split(all.len / row, grain_rows, &|rows| {
        // SAFETY: `split` hands out ranges that do not overlap.
        let part = unsafe { all.slice(rows.start * row..rows.end * row) };
        work(rows.start, part);
    });
}

/// A slice whose disjoint parts several threads write.
pub struct Parts<T> {
    start: *mut T,
    len: usize,
}

// SAFETY: whoever takes parts of it promises that they do not overlap.
unsafe impl<T: Send> Sync for Parts<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Parts<T> {}

impl<T> Parts<T> {
    /// The parts of `slice`, which stays borrowed for as long as the caller uses them.
    pub fn new(slice: &mut [T]) -> Parts<T> {
        Parts { start: slice.as_mut_ptr(), len: slice.len() }
    }

    /// Where `range` starts, for whoever writes only some of its elements: a tile of a matrix, whose rows lie apart.
    ///
    /// # Panics
    /// When `range` reaches past the slice.
    pub fn pointer(&self, range: Range<usize>) -> *mut T {
        assert!(range.start <= range.end && range.end <= self.len);
        self.start.wrapping_add(range.start)
    }

    /// One part.
    ///
    /// # Safety
    /// The slice that this was made from is still borrowed, and no other part in use overlaps `range`.
    ///
    /// # Panics
    /// When `range` reaches past the slice.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, range: Range<usize>) -> &mut [T] {
        // SAFETY: in bounds by `pointer`, alone by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(range.clone()), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_storm_of_threads_is_refused() {
        let error = set_count(999_999).unwrap_err().to_string();
        assert!(error.contains("999999 threads are too many: expected at most 1024"), "{error}");
    }

    #[test]
    fn split_covers_everything_once() {
        for len in [0, 1, 2, 7, 100, 1001] {
            for grain in [1, 3, 1000] {
                let seen: Vec<AtomicUsize> = (0..len).map(|_| AtomicUsize::new(0)).collect();
                split(len, grain, &|range| {
                    for i in range {
                        seen[i].fetch_add(1, Ordering::Relaxed);
                    }
                });
                assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
            }
        }
    }
}
