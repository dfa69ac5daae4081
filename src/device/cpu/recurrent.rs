//! What a pass over a sequence needs beside its gates: products of a few rows with the same weights at each step, and rows
//! of samples over the threads.

use super::gemm::{MAX_ROWS, Rows, Step, Tile, View, pack_columns};
use super::{Float, Scratch, threads};
use crate::error::Result;
use std::ops::Range;

/// Samples that go through a sequence together: their numbers of a step, and the weights, then stay in the cache. Tiles of
/// products have three, four, six or twelve rows.
const GROUP: usize = 36;

/// Calls `work` for groups of samples over the threads, each of which has as many samples and goes through its groups one by one,
/// with scratch memory of `of_sample` elements for each sample of a group.
///
/// No sample's numbers depend on which group it is in.
///
/// # Errors
/// No memory.
pub fn groups<T: bytemuck::Pod + Send>(
    batch: usize,
    of_sample: usize,
    work: &(dyn Fn(Range<usize>, &mut [T]) + Sync),
) -> Result<()> {
    let shares = threads::count().min(batch).max(1);
    let room = batch.div_ceil(shares).min(GROUP) * of_sample;
    let mut scratch = Scratch::new(shares * room)?;
    let scratch = threads::Parts::new(scratch.elements());
    threads::for_each(shares, &|share| {
        // SAFETY: each share has its own part.
        let room = unsafe { scratch.slice(share * room..(share + 1) * room) };
        let (start, end) = (share * batch / shares, (share + 1) * batch / shares);
        for first in (start..end).step_by(GROUP) {
            let samples = first..(first + GROUP).min(end);
            let size = samples.len() * of_sample;
            work(samples, &mut room[..size]);
        }
    });
    Ok(())
}

/// The right factor of many products, packed once.
pub struct Weights<T: Float> {
    tile: Tile<T>,
    packed: Scratch<T>,
    depth: usize,
    width: usize,
}

impl<T: Float> Weights<T> {
    /// Packs the first `depth` rows and `width` columns of `b`.
    pub fn new(b: View<T>, depth: usize, width: usize) -> Result<Weights<T>> {
        let tile = T::tile();
        let lanes = width.next_multiple_of(tile.lanes);
        let mut packed = Scratch::new(depth * lanes)?;
        for start in (0..width).step_by(tile.columns) {
            let columns = start..(start + tile.columns).min(width);
            let lanes = columns.len().next_multiple_of(tile.lanes);
            let panel = &mut packed.elements()[start * depth..start * depth + lanes * depth];
            pack_columns(b, 0..depth, columns, lanes, panel);
        }
        Ok(Weights { tile, packed, depth, width })
    }

    /// The packed panels, which threads share.
    pub fn shared(&mut self) -> Product<'_, T> {
        Product { tile: &self.tile, packed: self.packed.elements(), depth: self.depth, width: self.width }
    }
}

/// Products with [`Weights`].
#[derive(Clone, Copy)]
pub struct Product<'a, T: 'static> {
    tile: &'a Tile<T>,
    packed: &'a [T],
    depth: usize,
    width: usize,
}

impl<T: Float> Product<'_, T> {
    /// `c = a · b`, or `c += a · b`: `rows` rows, which stand `a_row` and `c_row` elements apart.
    pub fn of(&self, rows: usize, a: &[T], a_row: usize, c: &mut [T], c_row: usize, accumulate: bool) {
        let Product { tile, packed, depth, width } = *self;
        if rows == 0 || width == 0 {
            return;
        }
        assert!((rows - 1) * c_row + width <= c.len(), "C has {rows} rows of {width} elements");
        assert!((rows - 1) * a_row + depth <= a.len(), "A has {rows} rows of {depth} elements");
        if depth == 0 {
            if !accumulate {
                c.chunks_mut(c_row).take(rows).for_each(|row| row[..width].fill(T::ZERO));
            }
            return;
        }
        let [a_rows, c_rows] = [a_row, c_row].map(|distance| std::array::from_fn::<_, MAX_ROWS, _>(|i| i * distance));
        for start in (0..width).step_by(tile.columns) {
            let columns = (width - start).min(tile.columns);
            let lanes = columns.next_multiple_of(tile.lanes);
            for first in (0..rows).step_by(tile.rows) {
                let height = (rows - first).min(tile.rows);
                let step = Step {
                    taps: &[0],
                    depth,
                    rows: Rows::Apart(&a_rows[..height]),
                    width: columns,
                    a: &a[first * a_row..],
                    b: &packed[start * depth..start * depth + lanes * depth],
                    b_rows: lanes,
                    c: c[first * c_row + start..].as_mut_ptr(),
                    c_rows: &c_rows[..height],
                    accumulate,
                };
                // SAFETY: the assertions above bound the last rows of A and C, which is ours alone, `Weights` packed whole
                // panels of B, and the tile is no larger than the kernel's.
                unsafe { tile.run_unchecked(step) }
            }
        }
    }
}
