//! Matrix products on the CPU: C = A·B + C, for `f32` and `f64` and operands with any strides.
//!
//! The product is cut as in BLIS (Van Zee and van de Geijn, *BLIS: a framework for rapidly instantiating BLAS
//! functionality*, TOMS 2015): a tile of C stays in registers while panels of A and B stream past it. Three things are
//! its own, and the reason why no GEMM crate serves here: a call takes nothing from the allocator, a row-major A is read
//! where it lies (its rows are short-strided streams, so packing it would only copy it), and what follows a product
//! (bias, activation) runs on each region while it is in cache.

mod kernel;
mod pack;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use kernel::Kernels;
pub(super) use kernel::{MAX_ROWS, Rows, Step, Tile};
pub(super) use pack::columns as pack_columns;

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
/// Below this many multiplications, handing work to another thread costs more than it saves.
const PARALLEL: usize = 1 << 19;

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
    let grid = Grid::new(m, n, k, &tile);
    let work = Workspace::new(&grid, &tile, k, &a);
    let mut scratch = Scratch::new(work.elements * grid.pieces())?;
    let scratch = scratch.elements();
    let (scratch, c) = (threads::Parts::new(scratch), threads::Parts::new(c));
    threads::for_each(grid.pieces(), &|piece| {
        let (rows, columns) = grid.region(piece);
        // SAFETY: each piece has its own part of the scratch.
        let scratch = unsafe { scratch.slice(piece * work.elements..(piece + 1) * work.elements) };
        let (packed_b, packed_a) = scratch.split_at_mut(work.b);
        region(&tile, (&rows, &columns, k), a, b, &c, n, accumulate, packed_a, packed_b);
        if let Some(finish) = finish {
            for i in rows {
                // SAFETY: regions do not overlap, and this one's products are done.
                finish(i, columns.start, unsafe { c.slice(i * n + columns.start..i * n + columns.end) });
            }
        }
    });
    Ok(())
}

fn check<T>(rows: usize, columns: usize, view: &View<T>) {
    if rows > 0 && columns > 0 {
        let last = (rows - 1) * view.rows + (columns - 1) * view.columns;
        assert!(last < view.data.len(), "a {rows}×{columns} matrix reaches past its {} elements", view.data.len());
    }
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

/// Elements of scratch that one region needs: a packed panel of B, and all its rows of A where A must be packed.
struct Workspace {
    b: usize,
    elements: usize,
}

impl Workspace {
    fn new<T>(grid: &Grid, tile: &Tile<T>, k: usize, a: &View<T>) -> Workspace {
        let depth = depth(k);
        let b = depth * tile.columns;
        let packed_rows = if a.columns == 1 { 0 } else { grid.row_step.min(grid.m).next_multiple_of(tile.rows) };
        Workspace { b, elements: (b + packed_rows * depth).next_multiple_of(64) }
    }
}

/// The depth of the passes that cut `k` evenly.
fn depth(k: usize) -> usize {
    k.div_ceil(k.div_ceil(DEPTH).max(1)).max(1)
}

#[allow(clippy::too_many_arguments)]
fn region<T: Float>(
    tile: &Tile<T>,
    (rows, columns, k): (&Range<usize>, &Range<usize>, usize),
    a: View<T>,
    b: View<T>,
    c: &threads::Parts<T>,
    c_stride: usize,
    accumulate: bool,
    packed_a: &mut [T],
    packed_b: &mut [T],
) {
    if k == 0 && !accumulate {
        for i in rows.clone() {
            // SAFETY: regions do not overlap.
            unsafe { c.slice(i * c_stride + columns.start..i * c_stride + columns.end) }.fill(T::ZERO);
        }
        return;
    }
    let depth = depth(k);
    let [a_rows, c_rows] = [a.rows, c_stride].map(|distance| std::array::from_fn::<_, MAX_ROWS, _>(|i| i * distance));
    for p in (0..k).step_by(depth) {
        let depth = depth.min(k - p);
        let pack_a = a.columns != 1;
        if pack_a {
            pack::rows(a, rows.clone(), p..p + depth, tile.rows, packed_a);
        }
        for j in columns.clone().step_by(tile.columns) {
            let width = tile.columns.min(columns.end - j);
            let lanes = width.next_multiple_of(tile.lanes);
            pack::columns(b, p..p + depth, j..j + width, lanes, packed_b);
            for i in rows.clone().step_by(tile.rows) {
                let height = tile.rows.min(rows.end - i);
                let (a, rows) = if pack_a {
                    (&packed_a[(i - rows.start) * depth..], Rows::SideBySide { height, distance: tile.rows })
                } else {
                    (&a.data[i * a.rows + p..], Rows::Apart(&a_rows[..height]))
                };
                // The rows between belong to other regions too, so this is a pointer and no slice.
                let out = c.pointer(i * c_stride + j..(i + height - 1) * c_stride + j + width);
                let step = Step {
                    taps: &[0],
                    depth,
                    rows,
                    width,
                    a,
                    b: &packed_b[..depth * lanes],
                    b_rows: lanes,
                    c: out,
                    c_rows: &c_rows,
                    accumulate: accumulate || p > 0,
                };
                // SAFETY: from the first row's first element to the last row's last, the tile is inside C (`pointer`);
                // regions do not overlap, so nobody else touches its elements.
                unsafe { tile.run(step) }
            }
        }
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
