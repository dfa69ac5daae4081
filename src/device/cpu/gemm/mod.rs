//! Matrix products on the CPU: C = A·B + C, for `f32` and `f64` and operands with any strides.
//!
//! The product is cut as in BLIS (Van Zee and van de Geijn, *BLIS: a framework for rapidly instantiating BLAS
//! functionality*, TOMS 2015): a tile of C stays in registers while panels of A and B stream past it. Three things are
//! its own, and the reason why no GEMM crate serves here: a call takes nothing from the allocator, a row-major A is read
//! where it lies (its rows are short-strided streams, so packing it would only copy it), and what follows a product
//! (bias, activation) runs on each block of rows while it is in cache.

mod kernel;
mod pack;
mod packed;

pub use kernel::Kernels;
pub(super) use kernel::{MAX_ROWS, Rows, Step, Tile};
pub(super) use pack::columns as pack_columns;
pub use packed::{Left, Packed};

use super::{Float, Scratch, threads};
use crate::error::Result;
use std::ops::Range;

/// A matrix in memory: element (i, j) stands at `i * rows + j * columns`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
}

impl<'a, T> View<'a, T> {
    /// The row-major matrix with `columns` columns, or its transpose.
    pub fn new(data: &'a [T], columns: usize, transposed: bool) -> View<'a, T> {
        if transposed { View { data, rows: 1, columns } } else { View { data, rows: columns, columns: 1 } }
    }
}

/// What runs on each finished piece of a row of C, or on several whole rows: the first row, the first column, and the piece.
pub type Finish<'a, T> = &'a (dyn Fn(usize, usize, &mut [T]) + Sync);

/// The depth of one pass over A and B: a panel of B (32 columns of `f32`) then fits the first-level cache.
const DEPTH: usize = 320;
/// Packed elements of B that one pass over A reads: they share the second-level cache with a block of rows.
const PASS: usize = 1 << 16;
/// Elements of A, and of C, in one block of rows: they are in cache when C is finished.
const BLOCK: usize = 1 << 15;
/// Below this many multiplications, handing work to another thread costs more than it saves.
const PARALLEL: usize = 1 << 19;
/// A product whose C has fewer tiles is cut along its depth, into at most so many parts, each at least so deep.
const FEW_TILES: usize = 64;
const PARTS: usize = 16;
const PART_DEPTH: usize = 2048;
/// Elements of A and B in one pass over such a part, and its least depth: they are read where they lie, so they must fit the
/// first-level cache.
const IN_PLACE: usize = 1 << 13;
const IN_PLACE_DEPTH: usize = 32;

/// C = A·B (or C + A·B with `accumulate`), where A is `m`×`k`, B is `k`×`n` and C is row-major, then `finish` over C.
///
/// # Errors
/// No memory for the packed panels.
#[allow(clippy::too_many_arguments)]
pub fn gemm<T: Float>(
    [m, n, k]: [usize; 3],
    a: View<T>,
    b: View<T>,
    c: &mut [T],
    accumulate: bool,
    finish: Option<Finish<T>>,
) -> Result<()> {
    check(m, k, &a);
    check(k, n, &b);
    assert_eq!(c.len(), m * n, "C has {m}×{n} elements");
    if m == 0 || n == 0 {
        return Ok(());
    }
    let tile = T::tile();
    let product = Product { tile: &tile, a, b, n, in_place: false, accumulate, finish };
    let tiles = m.div_ceil(tile.rows) * n.div_ceil(tile.columns);
    match (k / PART_DEPTH).min(PARTS) {
        parts @ 2.. if tiles < FEW_TILES && finish.is_none() => product.in_parts([m, k], parts, c),
        _ => product.in_regions([m, k], c),
    }
}

fn check<T>(rows: usize, columns: usize, view: &View<T>) {
    if rows > 0 && columns > 0 {
        let last = (rows - 1) * view.rows + (columns - 1) * view.columns;
        assert!(last < view.data.len(), "a {rows}×{columns} matrix reaches past its {} elements", view.data.len());
    }
}

struct Product<'a, T: 'static> {
    tile: &'a Tile<T>,
    a: View<'a, T>,
    b: View<'a, T>,
    /// Columns of C.
    n: usize,
    /// Whether A's columns and B's rows lie side by side and are read where they lie.
    in_place: bool,
    accumulate: bool,
    finish: Option<Finish<'a, T>>,
}

impl<T: Float> Product<'_, T> {
    /// Each thread computes a region of C.
    fn in_regions(&self, [m, k]: [usize; 2], c: &mut [T]) -> Result<()> {
        let grid = Grid::new(m, self.n, k, self.tile);
        let work = Workspace::new([grid.row_step.min(m), grid.column_step.min(self.n), k], self.tile, &self.a);
        let mut scratch = Scratch::new(work.elements * grid.pieces())?;
        let (scratch, c) = (threads::Parts::new(scratch.elements()), threads::Parts::new(c));
        threads::for_each(grid.pieces(), &|piece| {
            let (rows, columns) = grid.region(piece);
            // SAFETY: each piece has its own part of the scratch.
            let scratch = unsafe { scratch.slice(piece * work.elements..(piece + 1) * work.elements) };
            self.region(&work, rows, columns, 0..k, &c, scratch);
        });
        Ok(())
    }

    /// Each part of the depth makes a C of its own; then these are added, always in the same order.
    fn in_parts(&self, [m, k]: [usize; 2], parts: usize, c: &mut [T]) -> Result<()> {
        let in_place = self.a.rows == 1 && self.b.columns == 1 && self.n.is_multiple_of(self.tile.lanes);
        let part = Product { in_place, accumulate: false, ..*self };
        let depth = k.div_ceil(parts);
        let work = if in_place {
            let depth = (IN_PLACE / (m + self.n)).max(IN_PLACE_DEPTH).min(depth);
            Workspace { depth, columns: self.n, rows: m, b: 0, elements: 0 }
        } else {
            Workspace::new([m, self.n, depth], self.tile, &self.a)
        };
        let (size, first) = (c.len(), usize::from(!self.accumulate));
        let mut scratch = Scratch::new(parts * (work.elements + size))?;
        let (scratch, sums) = scratch.elements().split_at_mut(parts * work.elements);
        let (scratch, all) = (threads::Parts::new(scratch), threads::Parts::new(sums));
        threads::for_each(parts, &|i| {
            // SAFETY: each part has its own scratch and its own sums.
            let (scratch, sums) = unsafe {
                (scratch.slice(i * work.elements..(i + 1) * work.elements), all.slice(i * size..(i + 1) * size))
            };
            part.region(
                &work,
                0..m,
                0..self.n,
                i * k / parts..(i + 1) * k / parts,
                &threads::Parts::new(sums),
                scratch,
            );
        });
        if !self.accumulate {
            c.copy_from_slice(&sums[..size]);
        }
        for sums in sums.chunks_exact(size).skip(first) {
            c.iter_mut().zip(sums).for_each(|(c, &sum)| *c += sum);
        }
        Ok(())
    }

    /// The part of C in these rows and columns, summed over `depths`.
    fn region(
        &self,
        work: &Workspace,
        rows: Range<usize>,
        columns: Range<usize>,
        depths: Range<usize>,
        c: &threads::Parts<T>,
        scratch: &mut [T],
    ) {
        let (packed_b, packed_a) = scratch.split_at_mut(work.b);
        for columns in cut(columns, work.columns) {
            if depths.is_empty() {
                self.empty(rows.clone(), columns, c);
                continue;
            }
            for p in cut(depths.clone(), work.depth) {
                for j in cut(columns.clone(), self.tile.columns).filter(|_| !self.in_place) {
                    let lanes = j.len().next_multiple_of(self.tile.lanes);
                    let panel = &mut packed_b[(j.start - columns.start) * p.len()..][..p.len() * lanes];
                    pack::columns(self.b, p.clone(), j, lanes, panel);
                }
                for rows in cut(rows.clone(), work.rows) {
                    let accumulate = self.accumulate || p.start > depths.start;
                    self.block(rows.clone(), columns.clone(), p.clone(), accumulate, c, packed_a, packed_b);
                    if p.end == depths.end {
                        self.finish(rows, columns.clone(), c);
                    }
                }
            }
        }
    }

    /// A block of C's rows, with B's columns packed.
    #[allow(clippy::too_many_arguments)]
    fn block(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        p: Range<usize>,
        accumulate: bool,
        c: &threads::Parts<T>,
        packed_a: &mut [T],
        packed_b: &[T],
    ) {
        let (a, tile, depth) = (self.a, self.tile, p.len());
        let [a_rows, c_rows] = [a.rows, self.n].map(|distance| std::array::from_fn::<_, MAX_ROWS, _>(|i| i * distance));
        let pack_a = a.columns != 1 && !self.in_place;
        if pack_a {
            pack::rows(a, rows.clone(), p.clone(), tile.rows, packed_a);
        }
        for j in cut(columns.clone(), tile.columns) {
            let lanes = j.len().next_multiple_of(tile.lanes);
            let (b, b_rows) = if self.in_place {
                (&self.b.data[p.start * self.b.rows + j.start..], self.b.rows)
            } else {
                (&packed_b[(j.start - columns.start) * depth..][..depth * lanes], lanes)
            };
            for i in cut(rows.clone(), tile.rows) {
                let side_by_side = |distance| Rows::SideBySide { height: i.len(), distance };
                let (a, at) = if pack_a {
                    (&packed_a[(i.start - rows.start) * depth..], side_by_side(tile.rows))
                } else if self.in_place {
                    (&a.data[p.start * a.columns + i.start..], side_by_side(a.columns))
                } else {
                    (&a.data[i.start * a.rows + p.start..], Rows::Apart(&a_rows[..i.len()]))
                };
                // The rows between belong to other regions too, so this is a pointer and no slice.
                let out = c.pointer(i.start * self.n + j.start..(i.end - 1) * self.n + j.end);
                let step = Step {
                    taps: &[0],
                    depth,
                    rows: at,
                    width: j.len(),
                    a,
                    b,
                    b_rows,
                    c: out,
                    c_rows: &c_rows,
                    accumulate,
                };
                // SAFETY: from the first row's first element to the last row's last, the tile is inside C (`pointer`);
                // regions do not overlap, so nobody else touches its elements.
                unsafe { tile.run(step) }
            }
        }
    }

    /// C where there is nothing to sum.
    fn empty(&self, rows: Range<usize>, columns: Range<usize>, c: &threads::Parts<T>) {
        if !self.accumulate {
            for i in rows.clone() {
                // SAFETY: regions do not overlap.
                unsafe { c.slice(i * self.n + columns.start..i * self.n + columns.end) }.fill(T::ZERO);
            }
        }
        self.finish(rows, columns, c);
    }

    /// Finishes a block whose products are done.
    fn finish(&self, rows: Range<usize>, columns: Range<usize>, c: &threads::Parts<T>) {
        let Some(finish) = self.finish else { return };
        if columns.len() == self.n {
            // SAFETY: regions do not overlap, and this block's products are done.
            return finish(rows.start, 0, unsafe { c.slice(rows.start * self.n..rows.end * self.n) });
        }
        for i in rows {
            // SAFETY: as above.
            finish(i, columns.start, unsafe { c.slice(i * self.n + columns.start..i * self.n + columns.end) });
        }
    }
}

/// Cuts a range into ranges of `step`, the last of them perhaps shorter.
fn cut(range: Range<usize>, step: usize) -> impl Iterator<Item = Range<usize>> {
    range.clone().step_by(step).map(move |start| start..(start + step).min(range.end))
}

/// How C is cut into regions, one a thread.
struct Grid {
    m: usize,
    n: usize,
    down: usize,
    across: usize,
    row_step: usize,
    column_step: usize,
}

impl Grid {
    fn new<T>(m: usize, n: usize, k: usize, tile: &Tile<T>) -> Grid {
        let threads = if m * n * k < PARALLEL { 1 } else { threads::count() };
        // Each row of regions packs all of B and each column of them all of A: cut so that the sum is least.
        let cost = |down: usize| down * n + (threads / down) * m;
        let down = (1..=threads).filter(|d| threads % d == 0).min_by_key(|&d| cost(d)).unwrap_or(1);
        let step = |len: usize, parts: usize, unit: usize| len.div_ceil(parts).next_multiple_of(unit).max(unit);
        let row_step = step(m, down, tile.rows);
        let column_step = step(n, threads / down, tile.columns);
        Grid { m, n, down: m.div_ceil(row_step), across: n.div_ceil(column_step), row_step, column_step }
    }

    fn pieces(&self) -> usize {
        self.down * self.across
    }

    fn region(&self, piece: usize) -> (Range<usize>, Range<usize>) {
        let (i, j) = (piece / self.across, piece % self.across);
        let cut = |i: usize, step: usize, len: usize| i * step..((i + 1) * step).min(len);
        (cut(i, self.row_step, self.m), cut(j, self.column_step, self.n))
    }
}

/// How a region is gone through, and the scratch that this takes: packed columns of B, and a block of rows of A where A must
/// be packed.
struct Workspace {
    depth: usize,
    columns: usize,
    rows: usize,
    /// Elements of packed B, and of all.
    b: usize,
    elements: usize,
}

impl Workspace {
    /// For a region of so many rows and columns and so deep.
    fn new<T>([m, n, k]: [usize; 3], tile: &Tile<T>, a: &View<T>) -> Workspace {
        // The passes cut the depth evenly.
        let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1);
        let whole = |elements: usize, each: usize, unit: usize| (elements / each / unit).max(1) * unit;
        let columns = whole(PASS, depth, tile.columns).min(n.next_multiple_of(tile.columns));
        let rows = whole(BLOCK, depth.max(columns), tile.rows).min(m.next_multiple_of(tile.rows));
        let (b, a) = (depth * columns, if a.columns == 1 { 0 } else { depth * rows });
        Workspace { depth, columns, rows, b, elements: (b + a).next_multiple_of(64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product by its definition.
    fn naive(m: usize, n: usize, k: usize, a: &View<f64>, b: &View<f64>) -> Vec<f64> {
        let at = |v: &View<f64>, i: usize, j: usize| v.data[i * v.rows + j * v.columns];
        (0..m * n).map(|i| (0..k).map(|p| at(a, i / n, p) * at(b, p, i % n)).sum()).collect()
    }

    fn numbers(len: usize, seed: u64) -> Vec<f64> {
        let philox = super::super::philox::Philox::new(seed as i64, 0, 0);
        (0..len as u64).map(|i| f64::from(philox.uniform(i / 4)[i as usize % 4]) - 0.5).collect()
    }

    #[test]
    fn agrees_with_the_definition() -> Result<()> {
        let sizes = [
            (1, 1, 1),
            (3, 5, 7),
            (12, 32, 16),
            (13, 33, 321),
            (128, 10, 64),
            (130, 97, 700),
            (1, 200, 3),
            (64, 1, 64),
            (40, 33, 4200),
            (40, 32, 4200),
        ];
        for (m, n, k) in sizes.into_iter().chain([(0, 3, 2), (2, 0, 3), (2, 3, 0), (300, 257, 129)]) {
            for flags in 0..8 {
                let (ta, tb, accumulate) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
                let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
                let view = |d, rows, columns, t| View::new(d, if t { rows } else { columns }, t);
                let start = numbers(m * n, 3);
                let mut want = naive(m, n, k, &view(&a, m, k, ta), &view(&b, k, n, tb));
                if accumulate {
                    want.iter_mut().zip(&start).for_each(|(w, s)| *w += s);
                }
                let mut got = start.clone();
                gemm([m, n, k], view(&a, m, k, ta), view(&b, k, n, tb), &mut got, accumulate, None)?;
                for (g, w) in got.iter().zip(&want) {
                    assert!((g - w).abs() <= 1e-12, "{m}×{n}×{k} {ta} {tb} {accumulate}: {g} for {w}");
                }

                let narrow = |x: &[f64]| x.iter().map(|&v| v as f32).collect::<Vec<_>>();
                let (a, b, mut got) = (narrow(&a), narrow(&b), narrow(&start));
                let view = |d, rows, columns, t| View::new(d, if t { rows } else { columns }, t);
                gemm([m, n, k], view(&a, m, k, ta), view(&b, k, n, tb), &mut got, accumulate, None)?;
                for (g, w) in got.iter().zip(&want) {
                    assert!((f64::from(*g) - w).abs() <= 1e-4, "{m}×{n}×{k} {ta} {tb} {accumulate}: {g} for {w}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn finish_sees_every_element_once() -> Result<()> {
        let (m, n, k) = (130, 97, 64);
        let (a, b) = (vec![1f32; m * k], vec![1f32; k * n]);
        let mut c = vec![f32::NAN; m * n];
        let finish = |i: usize, j: usize, piece: &mut [f32]| {
            piece.iter_mut().enumerate().for_each(|(x, v)| *v += (i * n + j + x) as f32);
        };
        gemm([m, n, k], View::new(&a, k, false), View::new(&b, n, false), &mut c, false, Some(&finish))?;
        assert!(c.iter().enumerate().all(|(i, &v)| v == (k + i) as f32));
        Ok(())
    }
}
