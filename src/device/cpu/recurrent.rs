//! What a pass over a sequence needs beside its gates: products of a few rows with the same weights at each step, and rows
//! of samples over the threads.

use super::gemm::{MAX_ROWS, Rows, Step, Tile, View, pack_columns};
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
        let Product { tile, depth, width, .. } = *self;
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
        for columns in self.panels() {
            for first in (0..rows).step_by(tile.rows) {
                let height = (rows - first).min(tile.rows);
                let (a_rows, c_rows) = (&a_rows[..height], &c_rows[..height]);
                // SAFETY: the assertions above bound the last rows of A and C, which is ours alone.
                unsafe {
                    let c = c.as_mut_ptr().add(first * c_row);
                    self.tile(columns.clone(), (&a[first * a_row..], a_rows), (c, c_rows), accumulate);
                }
            }
        }
    }

    /// `c = a · b`, or `c += a · b`, of rows that begin at any places.
    pub fn of_rows(&self, (a, a_rows): (&[T], &[usize]), (c, c_rows): (&mut [T], &[usize]), accumulate: bool) {
        let Product { tile, depth, width, .. } = *self;
        let fit = |rows: &[usize], count: usize, len: usize| rows.iter().all(|row| row + count <= len);
        assert!(a_rows.len() == c_rows.len() && fit(a_rows, depth, a.len()) && fit(c_rows, width, c.len()));
        if depth == 0 {
            c_rows.iter().filter(|_| !accumulate).for_each(|&row| c[row..row + width].fill(T::ZERO));
            return;
        }
        for columns in self.panels() {
            for (a_rows, c_rows) in a_rows.chunks(tile.rows).zip(c_rows.chunks(tile.rows)) {
                // SAFETY: by the assertion.
                unsafe { self.tile(columns.clone(), (a, a_rows), (c.as_mut_ptr(), c_rows), accumulate) }
            }
        }
    }

    /// The columns of a tile at a time.
    fn panels(&self) -> impl Iterator<Item = Range<usize>> {
        let (width, columns) = (self.width, self.tile.columns);
        (0..width).step_by(columns).map(move |start| start..(start + columns).min(width))
    }

    /// # Safety
    /// So many rows are in A and C, which is ours alone, and are no more than those of a tile.
    #[inline]
    unsafe fn tile(
        &self,
        columns: Range<usize>,
        (a, a_rows): (&[T], &[usize]),
        (c, c_rows): (*mut T, &[usize]),
        accumulate: bool,
    ) {
        let Product { tile, packed, depth, .. } = *self;
        let (start, lanes) = (columns.start, columns.len().next_multiple_of(tile.lanes));
        let step = Step {
            taps: &[0],
            depth,
            rows: Rows::Apart(a_rows),
            width: columns.len(),
            a,
            b: &packed[start * depth..start * depth + lanes * depth],
            b_rows: lanes,
            c: c.wrapping_add(start),
            c_rows,
            accumulate,
        };
        // SAFETY: the caller's promise; `Weights` packed whole panels of B, and the tile is no larger than the kernel's.
        unsafe { tile.run_unchecked(step) }
    }
}
