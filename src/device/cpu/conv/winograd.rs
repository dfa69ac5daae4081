//! 3 × 3 convolutions that move by one, by Winograd's F(2 × 2, 3 × 3): four outputs of 16 products where there were 36
//! (Lavin and Gray, *Fast algorithms for convolutional neural networks*, 2015, <https://arxiv.org/abs/1509.09308>).
//!
//! A tile of 2 × 2 outputs is Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A of the 4 × 4 inputs d that it sees and the kernel g. Over channels the
//! products of elements become 16 products of matrices, tiles × channels by channels × filters. The transforms only add, and
//! halve for the kernel, so that the error stays that of a direct sum; F(4 × 4, 3 × 3) would save more and lose digits.
//!
//! The gradient of the kernel is Gᵀ[Σ over tiles (Bᵀ d B) ⊙ (A dy Aᵀ)]G of the same parts.

use super::correlate::Correlation;
use crate::device::cpu::gemm::{Finish, MAX_ROWS, Rows, Step, Tile, View, pack_columns};
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::{Float, Scratch};
use crate::error::Result;
use std::ops::Range;

/// Products of one tile.
pub const POINTS: usize = 16;
/// Elements of the transformed inputs and outputs of one chunk of tiles: they share the second-level cache with the kernel.
const ELEMENTS: usize = 1 << 16;
/// Elements of a vector of the transforms' loops.
pub const LANES: usize = 16;
/// A sum over 3 × 3 taps that move by one.
pub struct Winograd<'a> {
    pub c: &'a Correlation,
    /// Tiles down and across.
    tiles: [usize; 2],
}

impl<'a> Winograd<'a> {
    /// The algorithm for this sum, where it can and is worth it.
    pub fn of(c: &'a Correlation) -> Option<Winograd<'a>> {
        let [plane, lines, columns] = &c.axes;
        let is_three = [lines, columns].iter().all(|a| a.taps.len() == 3 && a.is_run() && a.step == 1 && a.every == 1);
        let is_whole = c.from.1.len() == c.from.0 && c.to.1.len() == c.to.0;
        let tiles = [lines.count.div_ceil(2), columns.count.div_ceil(2)];
        // Nine products an output against sixteen a tile, which transforms and cut edges make about a third dearer.
        let pays =
            c.batch > 0 && 9 * lines.count * columns.count > 21 * tiles[0] * tiles[1] && c.from.0.min(c.to.0) >= LANES;
        (is_three && is_whole && pays && plane.taps.len() == 1 && plane.every == 1).then_some(Winograd { c, tiles })
    }

    pub fn count(&self) -> usize {
        self.c.batch * self.c.axes[0].count * self.tiles[0] * self.tiles[1]
    }

    /// Tiles that are worked on at once.
    pub fn chunk(&self) -> usize {
        let each = POINTS * (self.c.from.0 + 2 * LANES);
        (ELEMENTS / each / MAX_ROWS).max(1) * MAX_ROWS
    }

    /// Image, plane, and place of a tile.
    fn place(&self, tile: usize) -> (usize, usize, [usize; 2]) {
        let [down, across] = self.tiles;
        let (plane, at) = (tile / (down * across), tile % (down * across));
        let planes = self.c.axes[0].count;
        (plane / planes, plane % planes, [at / across, at % across])
    }

    /// The channels of the 4 × 4 inputs that a tile sees; `zeros` where there is none.
    fn inputs<'x, T>(&self, tile: usize, x: &'x [T], zeros: &'x [T]) -> [&'x [T]; POINTS] {
        let [a, b, c] = &self.c.axes;
        let (image, plane, [row, column]) = self.place(tile);
        let plane = a.at(plane, a.low());
        let channels = self.c.from.0;
        std::array::from_fn(|i| {
            let (row, column) =
                (b.at(2 * row, b.low() + (i / 4) as isize), c.at(2 * column, c.low() + (i % 4) as isize));
            match (plane, row, column) {
                (Some(plane), Some(row), Some(column)) => {
                    let at = ((image * a.input + plane) * b.input + row) * c.input + column;
                    &x[at * channels..(at + 1) * channels]
                }
                _ => zeros,
            }
        })
    }

    /// Where the 2 × 2 outputs of a tile stand, counted in pixels; none beyond the edges.
    pub fn outputs(&self, tile: usize) -> [Option<usize>; 4] {
        let [a, b, c] = &self.c.axes;
        let (image, plane, [row, column]) = self.place(tile);
        std::array::from_fn(|i| {
            let (row, column) = (2 * row + i / 2, 2 * column + i % 2);
            (row < b.count && column < c.count)
                .then(|| ((image * a.output + plane) * b.output + row) * c.output + column)
        })
    }

    /// `out = Σ over taps of x · kernel(tap)`, then `finish` over the rows of `out`.
    pub fn run<'k, T: Float>(
        &self,
        x: &[T],
        kernel: &(dyn Fn(usize) -> View<'k, T> + Sync),
        out: &mut [T],
        finish: Option<Finish<T>>,
    ) -> Result<()> {
        let tile = T::tile();
        let (depth, width) = (self.c.from.0, self.c.to.0);
        let (chunk, count) = (self.chunk(), self.count());
        let chunks = count.div_ceil(chunk);
        let pieces = chunks.min(threads::count() * 4);
        let lanes = width.next_multiple_of(tile.lanes);
        let (weights, memory) = (POINTS * depth * lanes, chunk * POINTS * (depth + tile.columns));
        let mut scratch = Scratch::new(weights + depth + pieces * memory)?;
        let (weights, rest) = scratch.elements().split_at_mut(weights);
        let (zeros, memory_all) = rest.split_at_mut(depth);
        zeros.fill(T::ZERO);
        self.transform_kernel(&tile, kernel, weights)?;
        let (weights, zeros) = (&*weights, &*zeros);
        let (memory_all, out) = (Parts::new(memory_all), Parts::new(out));
        threads::for_each(pieces, &|piece| {
            // SAFETY: each piece has its own part of the memory.
            let memory = unsafe { memory_all.slice(piece * memory..(piece + 1) * memory) };
            let (inputs, products) = memory.split_at_mut(chunk * POINTS * depth);
            for item in piece * chunks / pieces..(piece + 1) * chunks / pieces {
                let tiles = item * chunk..((item + 1) * chunk).min(count);
                self.transform_inputs(tiles.clone(), x, zeros, inputs);
                for j in (0..width).step_by(tile.columns) {
                    let columns = j..width.min(j + tile.columns);
                    self.multiply(&tile, tiles.len(), inputs, &weights[POINTS * depth * j..], columns.len(), products);
                    self.transform_products(tiles.clone(), products, columns, &out);
                }
                if let Some(finish) = finish {
                    self.finish(tiles, &out, finish);
                }
            }
        });
        Ok(())
    }

    /// G g Gᵀ, for each two vectors of columns the 16 points, each with the rows of its matrix.
    fn transform_kernel<'k, T: Float>(
        &self,
        tile: &Tile<T>,
        kernel: &(dyn Fn(usize) -> View<'k, T> + Sync),
        out: &mut [T],
    ) -> Result<()> {
        let (depth, width) = (self.c.from.0, self.c.to.0);
        let panel = depth * tile.columns;
        let panels = width.div_ceil(tile.columns);
        let mut scratch = Scratch::new(panels * 9 * panel)?;
        let (taps, out) = (Parts::new(scratch.elements()), Parts::new(out));
        let [plane, lines, columns] = &self.c.axes;
        threads::for_each(panels, &|p| {
            let j = p * tile.columns;
            let end = width.min(j + tile.columns);
            let lanes = (end - j).next_multiple_of(tile.lanes);
            // SAFETY: each panel has its own parts.
            let (taps, out) = unsafe {
                (
                    taps.slice(p * 9 * panel..(p + 1) * 9 * panel),
                    out.slice(POINTS * depth * j..POINTS * depth * (j + lanes)),
                )
            };
            let size = depth * lanes;
            for (i, taps) in taps.chunks_exact_mut(size).take(9).enumerate() {
                let (q, r) = (lines.taps[i / 3].1, columns.taps[i % 3].1);
                let k = (plane.taps[0].1 * self.c.sizes[1] + q) * self.c.sizes[2] + r;
                pack_columns(kernel(k), 0..depth, j..end, lanes, taps);
            }
            T::vectorize(
                #[inline(always)]
                || {
                    for i in 0..size {
                        let g: [T; 9] = std::array::from_fn(|k| taps[k * size + i]);
                        let down: [[T; 4]; 3] = std::array::from_fn(|c| kernel_points(g[c], g[3 + c], g[6 + c]));
                        for row in 0..4 {
                            let across = kernel_points(down[0][row], down[1][row], down[2][row]);
                            for (column, &u) in across.iter().enumerate() {
                                out[(row * 4 + column) * size + i] = u;
                            }
                        }
                    }
                },
            );
        });
        Ok(())
    }

    /// Bᵀ d B for each channel of each tile: the 16 points, each a matrix of tiles by channels.
    pub fn transform_inputs<T: Float>(&self, tiles: Range<usize>, x: &[T], zeros: &[T], out: &mut [T]) {
        let (depth, chunk) = (self.c.from.0, self.chunk());
        T::vectorize(
            #[inline(always)]
            || {
                for (t, tile) in tiles.enumerate() {
                    let inputs = self.inputs(tile, x, zeros);
                    let whole = depth / LANES * LANES;
                    for c in (0..whole).step_by(LANES) {
                        input_points::<T, LANES>(&inputs, c, &mut out[t * depth + c..], chunk * depth);
                    }
                    for c in whole..depth {
                        input_points::<T, 1>(&inputs, c, &mut out[t * depth + c..], chunk * depth);
                    }
                }
            },
        );
    }

    /// The 16 products, each of tiles by channels with channels by columns.
    fn multiply<T: Float>(
        &self,
        tile: &Tile<T>,
        tiles: usize,
        inputs: &[T],
        weights: &[T],
        width: usize,
        out: &mut [T],
    ) {
        let (depth, chunk) = (self.c.from.0, self.chunk());
        let lanes = width.next_multiple_of(tile.lanes);
        let a_rows: [usize; MAX_ROWS] = std::array::from_fn(|i| i * depth);
        let c_rows: [usize; MAX_ROWS] = std::array::from_fn(|i| i * lanes);
        for point in 0..POINTS {
            let out = Parts::new(&mut out[point * chunk * lanes..][..tiles * lanes]);
            for t in (0..tiles).step_by(tile.rows) {
                let height = tile.rows.min(tiles - t);
                let step = Step {
                    taps: &[0],
                    depth,
                    rows: Rows::Apart(&a_rows[..height]),
                    width: lanes,
                    a: &inputs[(point * chunk + t) * depth..],
                    b: &weights[point * depth * lanes..(point + 1) * depth * lanes],
                    b_rows: lanes,
                    c: out.pointer(t * lanes..(t + height) * lanes),
                    c_rows: &c_rows,
                    accumulate: false,
                };
                // SAFETY: the tile's rows are those that `pointer` checked, and the products are this call's alone.
                unsafe { tile.run(step) }
            }
        }
    }

    /// Aᵀ m A for each column of each tile: the outputs.
    fn transform_products<T: Float>(&self, tiles: Range<usize>, products: &[T], columns: Range<usize>, out: &Parts<T>) {
        let (chunk, lanes) = (self.chunk(), columns.len().next_multiple_of(T::tile().lanes));
        let width = self.c.to.0;
        T::vectorize(
            #[inline(always)]
            || {
                for (t, tile) in tiles.enumerate() {
                    let places = self.outputs(tile).map(|pixel| pixel.map(|pixel| pixel * width + columns.start));
                    let whole = columns.len() / LANES * LANES;
                    for c in (0..whole).step_by(LANES) {
                        store(out, places, c, &output_points::<T, LANES>(&products[t * lanes + c..], chunk * lanes));
                    }
                    for c in whole..columns.len() {
                        store(out, places, c, &output_points::<T, 1>(&products[t * lanes + c..], chunk * lanes));
                    }
                }
            },
        );
    }

    /// Finishes the outputs of some tiles, as many whole rows at a time as lie side by side.
    fn finish<T: Float>(&self, tiles: Range<usize>, out: &Parts<T>, finish: Finish<T>) {
        let (across, columns, width) = (self.tiles[1], self.c.axes[2].count, self.c.to.0);
        let mut tile = tiles.start;
        while tile < tiles.end {
            let count = (across - tile % across).min(tiles.end - tile);
            let pixels = (2 * count).min(columns - 2 * (tile % across));
            let [top, _, below, _] = self.outputs(tile);
            for row in [top, below].into_iter().flatten() {
                // SAFETY: these outputs are the caller's, and their products are done.
                finish(row, 0, unsafe { out.slice(row * width..(row + pixels) * width) });
            }
            tile += count;
        }
    }
}

/// G g.
#[inline(always)]
fn kernel_points<T: Float>(a: T, b: T, c: T) -> [T; 4] {
    let half = T::of(0.5);
    [a, half * (a + b + c), half * (a - b + c), c]
}

/// Bᵀ d B for `L` channels from `c` on, the points `stride` apart.
#[inline(always)]
fn input_points<T: Float, const L: usize>(inputs: &[&[T]; POINTS], c: usize, out: &mut [T], stride: usize) {
    let d: [&[T]; POINTS] = inputs.map(|d| &d[c..c + L]);
    let mut points = [[T::ZERO; L]; POINTS];
    for l in 0..L {
        let down: [[T; 4]; 4] = std::array::from_fn(|k| differences(d[k][l], d[4 + k][l], d[8 + k][l], d[12 + k][l]));
        for row in 0..4 {
            let across = differences(down[0][row], down[1][row], down[2][row], down[3][row]);
            for (column, &v) in across.iter().enumerate() {
                points[row * 4 + column][l] = v;
            }
        }
    }
    for (point, values) in points.iter().enumerate() {
        out[point * stride..point * stride + L].copy_from_slice(values);
    }
}

/// Bᵀ d.
#[inline(always)]
fn differences<T: Float>(a: T, b: T, c: T, d: T) -> [T; 4] {
    [a - c, b + c, c - b, b - d]
}

/// Aᵀ m A for `L` columns, the points `stride` apart.
#[inline(always)]
fn output_points<T: Float, const L: usize>(products: &[T], stride: usize) -> [[T; L]; 4] {
    let m: [&[T]; POINTS] = std::array::from_fn(|point| &products[point * stride..point * stride + L]);
    let mut outputs = [[T::ZERO; L]; 4];
    for l in 0..L {
        let down: [[T; 2]; 4] = std::array::from_fn(|k| sums(m[k][l], m[4 + k][l], m[8 + k][l], m[12 + k][l]));
        for row in 0..2 {
            let across = sums(down[0][row], down[1][row], down[2][row], down[3][row]);
            outputs[row * 2][l] = across[0];
            outputs[row * 2 + 1][l] = across[1];
        }
    }
    outputs
}

/// Aᵀ m.
#[inline(always)]
fn sums<T: Float>(a: T, b: T, c: T, d: T) -> [T; 2] {
    [a + b + c, b - c - d]
}

/// Writes a tile's outputs of `L` columns from `c` on to their places.
#[inline(always)]
fn store<T: Float, const L: usize>(out: &Parts<T>, places: [Option<usize>; 4], c: usize, outputs: &[[T; L]; 4]) {
    for (place, values) in places.into_iter().zip(outputs) {
        if let Some(at) = place.map(|at| at + c) {
            // SAFETY: each output belongs to one tile, and tiles and columns to one caller.
            unsafe { out.slice(at..at + L) }.copy_from_slice(values);
        }
    }
}
