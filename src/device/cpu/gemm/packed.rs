//! Products within a thread: a right factor that is packed once and multiplied by many left ones.

use super::pack::columns as pack_columns;
use super::{MAX_ROWS, Rows, Step, Tile, View};
use crate::device::cpu::Float;
use std::ops::Range;

/// The right factor of many products, `depth` × `width`, packed in memory of whoever multiplies by it.
#[derive(Clone, Copy)]
pub struct Packed<'a, T: 'static> {
    tile: Tile<T>,
    packed: &'a [T],
    depth: usize,
    width: usize,
}

/// The left factor of one product.
#[derive(Clone, Copy)]
pub enum Left<'a, T> {
    /// Its rows stand so many elements apart.
    Rows(&'a [T], usize),
    /// It is the transpose of a matrix whose rows stand so many elements apart.
    Columns(&'a [T], usize),
}

impl<'a, T: Float> Packed<'a, T> {
    /// How many elements it takes.
    pub fn room(depth: usize, width: usize) -> usize {
        depth * width.next_multiple_of(T::tile().lanes)
    }

    /// Packs the first `depth` rows and `width` columns of `b` into `room`.
    pub fn new(b: View<T>, depth: usize, width: usize, room: &'a mut [T]) -> Packed<'a, T> {
        let tile = T::tile();
        for start in (0..width).step_by(tile.columns) {
            let columns = start..(start + tile.columns).min(width);
            let lanes = columns.len().next_multiple_of(tile.lanes);
            pack_columns(b, 0..depth, columns, lanes, &mut room[start * depth..start * depth + lanes * depth]);
        }
        Packed::from_packed(room, depth, width)
    }

    /// What [`Packed::new`] has packed.
    pub fn from_packed(packed: &'a [T], depth: usize, width: usize) -> Packed<'a, T> {
        assert!(Packed::<T>::room(depth, width) <= packed.len(), "{depth} × {width} elements are packed");
        Packed { tile: T::tile(), packed, depth, width }
    }

    /// `c = a · b`, or `c += a · b`: `rows` rows, which stand `c_row` elements apart.
    pub fn of(&self, rows: usize, a: Left<T>, c: &mut [T], c_row: usize, accumulate: bool) {
        self.part([rows, self.width, self.depth], a, c, c_row, accumulate);
    }

    /// The same with the first `width` columns and `depth` rows of `b` alone.
    pub fn part(&self, [rows, width, depth]: [usize; 3], a: Left<T>, c: &mut [T], c_row: usize, accumulate: bool) {
        if rows == 0 || width == 0 {
            return;
        }
        assert!(width <= self.width && depth <= self.depth, "b has {} × {} elements", self.depth, self.width);
        assert!((rows - 1) * c_row + width <= c.len(), "C has {rows} rows of {width} elements");
        if depth == 0 {
            if !accumulate {
                c.chunks_mut(c_row).take(rows).for_each(|row| row[..width].fill(T::ZERO));
            }
            return;
        }
        let (major, minor, from, distance) = match a {
            Left::Rows(from, distance) => (rows, depth, from, distance),
            Left::Columns(from, distance) => (depth, rows, from, distance),
        };
        assert!((major - 1) * distance + minor <= from.len(), "A has {major} rows of {minor} elements");
        let rows_apart = |distance| std::array::from_fn::<_, MAX_ROWS, _>(|i| i * distance);
        let (a_rows, c_rows) = (rows_apart(distance), rows_apart(c_row));
        for columns in self.panels(width) {
            for first in (0..rows).step_by(self.tile.rows) {
                let height = (rows - first).min(self.tile.rows);
                let (a, at) = match a {
                    Left::Rows(..) => (&from[first * distance..], Rows::Apart(&a_rows[..height])),
                    Left::Columns(..) => (&from[first..], Rows::SideBySide { height, distance }),
                };
                // SAFETY: the assertions above bound the last rows of A and C, which is ours alone.
                unsafe {
                    let c = c.as_mut_ptr().add(first * c_row);
                    self.tile(columns.clone(), depth, (a, at), (c, &c_rows[..height]), accumulate);
                }
            }
        }
    }

    /// `c = a · b`, or `c += a · b`, of rows that begin at any places.
    pub fn of_rows(&self, (a, a_rows): (&[T], &[usize]), (c, c_rows): (&mut [T], &[usize]), accumulate: bool) {
        let Packed { tile, depth, width, .. } = *self;
        let fit = |rows: &[usize], count: usize, len: usize| rows.iter().all(|row| row + count <= len);
        assert!(a_rows.len() == c_rows.len() && fit(a_rows, depth, a.len()) && fit(c_rows, width, c.len()));
        if depth == 0 {
            c_rows.iter().filter(|_| !accumulate).for_each(|&row| c[row..row + width].fill(T::ZERO));
            return;
        }
        for columns in self.panels(width) {
            for (a_rows, c_rows) in a_rows.chunks(tile.rows).zip(c_rows.chunks(tile.rows)) {
                let (a, c) = ((a, Rows::Apart(a_rows)), (c.as_mut_ptr(), c_rows));
                // SAFETY: by the assertion.
                unsafe { self.tile(columns.clone(), depth, a, c, accumulate) }
            }
        }
    }

    /// The columns of a tile at a time.
    fn panels(&self, width: usize) -> impl Iterator<Item = Range<usize>> {
        let columns = self.tile.columns;
        (0..width).step_by(columns).map(move |start| start..(start + columns).min(width))
    }

    /// # Safety
    /// So many rows are in A and C, which is ours alone, and are no more than those of a tile; the columns begin a panel, and
    /// `depth` is no larger than its own.
    #[inline]
    unsafe fn tile(
        &self,
        columns: Range<usize>,
        depth: usize,
        (a, rows): (&[T], Rows),
        (c, c_rows): (*mut T, &[usize]),
        accumulate: bool,
    ) {
        let start = columns.start;
        // Of the whole panel, of which some columns may not be wanted.
        let lanes = (self.width - start).min(self.tile.columns).next_multiple_of(self.tile.lanes);
        let step = Step {
            taps: &[0],
            depth,
            rows,
            width: columns.len(),
            a,
            b: &self.packed[start * self.depth..start * self.depth + lanes * depth],
            b_rows: lanes,
            c: c.wrapping_add(start),
            c_rows,
            accumulate,
        };
        // SAFETY: the caller's promise; `new` packed whole panels of B, and the tile is no larger than the kernel's.
        unsafe { self.tile.run_unchecked(step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums of small whole numbers are exact in any order.
    fn numbers<T: Float>(len: usize, seed: usize) -> Vec<T> {
        (0..len).map(|i| T::of(((i * 7 + seed * 13) % 23) as f64 - 11.0)).collect()
    }

    fn agrees<T: Float>() {
        for [rows, width, depth] in [[1, 1, 1], [5, 33, 7], [13, 64, 40], [48, 31, 3], [3, 5, 0], [0, 4, 2]] {
            let b = numbers::<T>(depth * width, 1);
            let mut room = vec![T::ZERO; Packed::<T>::room(depth, width)];
            let packed = Packed::new(View::new(&b, width, false), depth, width, &mut room);
            for (columns, transposed, accumulate) in
                [(width, false, false), (width, true, true), (width.div_ceil(2), true, false)]
            {
                let deep = if columns < width { depth / 2 } else { depth };
                let (a_row, c_row) = (if transposed { rows + 2 } else { deep + 3 }, width + 1);
                let a = numbers::<T>(rows.max(deep) * a_row, 2);
                let start = numbers::<T>(rows.max(1) * c_row, 3);
                let mut c = start.clone();
                let left = if transposed { Left::Columns(&a, a_row) } else { Left::Rows(&a, a_row) };
                packed.part([rows, columns, deep], left, &mut c, c_row, accumulate);
                for (at, (&got, &was)) in c.iter().zip(&start).enumerate() {
                    let (i, j) = (at / c_row, at % c_row);
                    if i >= rows || j >= columns {
                        assert_eq!(got.wide(), was.wide(), "nothing else is written");
                        continue;
                    }
                    let of_a = |p: usize| if transposed { a[p * a_row + i] } else { a[i * a_row + p] };
                    let sum: f64 = (0..deep).map(|p| of_a(p).wide() * b[p * width + j].wide()).sum();
                    let want = sum + if accumulate { was.wide() } else { 0.0 };
                    assert_eq!(got.wide(), want, "{rows}×{columns}×{deep} at {i}, {j}");
                }
            }
        }
    }

    #[test]
    fn parts_of_products_agree_with_the_definition() {
        agrees::<f32>();
        agrees::<f64>();
    }
}
