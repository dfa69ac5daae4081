//! What a pass over a sequence needs beside its gates: weights that are packed once for the products of all steps, and samples
//! over the threads.

use super::gemm::{Packed, View};
use super::{Float, Scratch, threads};
use crate::error::Result;
use std::ops::Range;

/// Samples that go through a sequence together: their numbers of a step, and the weights, then stay in the cache. They fill
/// tiles of four, six and twelve rows.
pub const GROUP: usize = 36;

/// Calls `work` for groups of samples over the threads, each of which has about as many samples and goes through its groups
/// one by one, with scratch memory of `of_group` elements and of `of_sample` for each sample of a group.
///
/// No sample's numbers depend on which group it is in.
///
/// # Errors
/// No memory.
pub fn groups<T: bytemuck::Pod + Send>(
    batch: usize,
    [of_group, of_sample]: [usize; 2],
    work: &(dyn Fn(Range<usize>, &mut [T]) + Sync),
) -> Result<()> {
    let shares = threads::count().min(batch).max(1);
    let room = of_group + batch.div_ceil(shares).min(GROUP) * of_sample;
    let mut scratch = Scratch::new(shares * room)?;
    let scratch = threads::Parts::new(scratch.elements());
    threads::for_each(shares, &|share| {
        // SAFETY: each share has its own part.
        let room = unsafe { scratch.slice(share * room..(share + 1) * room) };
        let (start, end) = (share * batch / shares, (share + 1) * batch / shares);
        for first in (start..end).step_by(GROUP) {
            let samples = first..(first + GROUP).min(end);
            let size = of_group + samples.len() * of_sample;
            work(samples, &mut room[..size]);
        }
    });
    Ok(())
}

/// The right factor of many products, packed once.
pub struct Weights<T: Float> {
    packed: Scratch<T>,
    depth: usize,
    width: usize,
}

impl<T: Float> Weights<T> {
    /// Packs the first `depth` rows and `width` columns of `b`.
    pub fn new(b: View<T>, depth: usize, width: usize) -> Result<Weights<T>> {
        let mut packed = Scratch::new(Packed::<T>::room(depth, width))?;
        Packed::new(b, depth, width, packed.elements());
        Ok(Weights { packed, depth, width })
    }

    /// The packed factor, which threads share.
    pub fn shared(&mut self) -> Packed<'_, T> {
        Packed::from_packed(self.packed.elements(), self.depth, self.width)
    }
}
