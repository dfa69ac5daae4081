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
use crate::device::cpu::simd::{Body, Lanes, load, store};
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::{Float, Scratch};
use crate::error::Result;
use std::ops::Range;

/// Products of one tile.
pub const POINTS: usize = 16;
/// Elements of the transformed inputs and outputs of one chunk of tiles: they share the second-level cache with the kernel.
const ELEMENTS: usize = 1 << 16;
/// Channels below which the transforms' vectors are mostly empty.
const LANES: usize = 16;

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
        let mut inputs = [zeros; POINTS];
        for i in 0..4 {
            let row = plane.zip(b.at(2 * row, b.low() + i as isize));
            for j in 0..4 {
                if let (Some((plane, row)), Some(column)) = (row, c.at(2 * column, c.low() + j as isize)) {
                    let at = ((image * a.input + plane) * b.input + row) * c.input + column;
                    inputs[i * 4 + j] = &x[at * channels..(at + 1) * channels];
                }
            }
        }
        inputs
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
            T::in_vectors(KernelPoints { taps: &taps[..9 * size], out, size });
        });
        Ok(())
    }

    /// Bᵀ d B for each channel of each tile: the 16 points, each a matrix of tiles by channels.
    pub fn transform_inputs<T: Float>(&self, tiles: Range<usize>, x: &[T], zeros: &[T], out: &mut [T]) {
        T::in_vectors(InputPoints { winograd: self, tiles, x, zeros, out });
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
        T::in_vectors(OutputPoints { winograd: self, tiles, products, columns, out });
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

/// G g Gᵀ of all elements of the packed kernel.
struct KernelPoints<'a, T> {
    taps: &'a [T],
    out: &'a mut [T],
    /// Elements of a tap, and of a point.
    size: usize,
}

impl<T: Float> Body<T> for KernelPoints<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        let size = self.size;
        assert!(self.taps.len() >= 9 * size && self.out.len() >= POINTS * size);
        let (taps, out) = (self.taps.as_ptr(), self.out.as_mut_ptr());
        for i in (0..size).step_by(V::LANES) {
            // SAFETY: by the assertion; the machine has the instructions by the caller's promise.
            unsafe {
                let zero = V::splat(T::ZERO);
                let mut down = [[zero; 4]; 3];
                for (c, down) in down.iter_mut().enumerate() {
                    let (at, lanes) = (taps.add(c * size + i), size - i);
                    let [a, b, c] = [at, at.add(3 * size), at.add(6 * size)];
                    *down = kernel_points([load::<V>(a, lanes), load(b, lanes), load(c, lanes)]);
                }
                for row in 0..4 {
                    let across = kernel_points(column(&down, row));
                    for (place, &u) in across.iter().enumerate() {
                        store(u, out.add((row * 4 + place) * size + i), size - i);
                    }
                }
            }
        }
    }
}

/// G g.
///
/// # Safety
/// The machine has V's instructions; so below.
#[inline(always)]
unsafe fn kernel_points<V: Lanes<T: Float>>([a, b, c]: [V; 3]) -> [V; 4] {
    // SAFETY: the caller's promise; so below.
    unsafe {
        let (zero, half) = (V::splat(V::T::ZERO), V::splat(V::T::of(0.5)));
        let ends = a.add(c);
        [a, half.mul_add(ends.add(b), zero), half.mul_add(ends.sub(b), zero), c]
    }
}

/// Bᵀ d B for each channel of some tiles.
struct InputPoints<'a, T> {
    winograd: &'a Winograd<'a>,
    tiles: Range<usize>,
    x: &'a [T],
    zeros: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Body<T> for InputPoints<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        let (depth, stride) = (self.winograd.c.from.0, self.winograd.chunk() * self.winograd.c.from.0);
        assert!(self.zeros.len() >= depth);
        for (t, tile) in self.tiles.enumerate() {
            let inputs = self.winograd.inputs(tile, self.x, self.zeros);
            let out = self.out[t * depth..][..(POINTS - 1) * stride + depth].as_mut_ptr();
            for c in (0..depth).step_by(V::LANES) {
                // SAFETY: each input has `depth` channels, `out` was cut above; the machine has the instructions by the
                // caller's promise.
                unsafe {
                    let zero = V::splat(T::ZERO);
                    let mut down = [[zero; 4]; 4];
                    for (k, down) in down.iter_mut().enumerate() {
                        let lanes = depth - c;
                        let [a, b, c, d] = [0, 4, 8, 12].map(|row| inputs[row + k].as_ptr().add(c));
                        *down = differences([load::<V>(a, lanes), load(b, lanes), load(c, lanes), load(d, lanes)]);
                    }
                    for row in 0..4 {
                        let across = differences(column(&down, row));
                        for (place, &v) in across.iter().enumerate() {
                            store(v, out.add((row * 4 + place) * stride + c), depth - c);
                        }
                    }
                }
            }
        }
    }
}

/// Bᵀ d.
///
/// # Safety
/// The machine has V's instructions.
#[inline(always)]
unsafe fn differences<V: Lanes>([a, b, c, d]: [V; 4]) -> [V; 4] {
    // SAFETY: the caller's promise.
    unsafe { [a.sub(c), b.add(c), c.sub(b), b.sub(d)] }
}

/// Aᵀ m A for some columns of some tiles, to the places of their outputs.
struct OutputPoints<'a, T: 'static> {
    winograd: &'a Winograd<'a>,
    tiles: Range<usize>,
    products: &'a [T],
    columns: Range<usize>,
    out: &'a Parts<T>,
}

impl<T: Float> Body<T> for OutputPoints<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        let lanes = self.columns.len().next_multiple_of(T::tile().lanes);
        let (stride, width, columns) = (self.winograd.chunk() * lanes, self.winograd.c.to.0, self.columns.len());
        for (t, tile) in self.tiles.enumerate() {
            let pixels = self.winograd.outputs(tile);
            let products = self.products[t * lanes..][..(POINTS - 1) * stride + lanes].as_ptr();
            for c in (0..columns).step_by(V::LANES) {
                // SAFETY: `products` was cut above, and `pointer` checks the outputs, each of which belongs to one tile, and
                // tiles and columns to one caller; the machine has the instructions by the caller's promise.
                unsafe {
                    let zero = V::splat(T::ZERO);
                    let mut down = [[zero; 2]; 4];
                    for (k, down) in down.iter_mut().enumerate() {
                        let lanes = columns - c;
                        let [a, b, c, d] = [0, 4, 8, 12].map(|row| products.add((row + k) * stride + c));
                        *down = sums([load::<V>(a, lanes), load(b, lanes), load(c, lanes), load(d, lanes)]);
                    }
                    for row in 0..2 {
                        let across = sums(column(&down, row));
                        for (place, &y) in across.iter().enumerate() {
                            if let Some(pixel) = pixels[row * 2 + place] {
                                let at = pixel * width + self.columns.start + c;
                                store(y, self.out.pointer(at..at + V::LANES.min(columns - c)), columns - c);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Aᵀ m.
///
/// # Safety
/// The machine has V's instructions.
#[inline(always)]
unsafe fn sums<V: Lanes>([a, b, c, d]: [V; 4]) -> [V; 2] {
    // SAFETY: the caller's promise.
    unsafe {
        let (sum, difference) = (b.add(c), b.sub(c));
        [a.add(sum), difference.sub(d)]
    }
}

/// Column `i` of a small matrix.
#[inline(always)]
pub fn column<V: Copy, const ROWS: usize, const COLUMNS: usize>(rows: &[[V; COLUMNS]; ROWS], i: usize) -> [V; ROWS] {
    let mut column = [rows[0][i]; ROWS];
    column.iter_mut().zip(rows).for_each(|(x, row)| *x = row[i]);
    column
}
