//! The gradient of the kernel of a 3 × 3 convolution that moves by one, by Winograd's algorithm:
//! Gᵀ[Σ over tiles (Bᵀ d B) ⊙ (A dy Aᵀ)]G, where the sum is 16 products of matrices, channels × tiles by tiles × filters.

use super::winograd::{LANES, POINTS, Winograd};
use crate::device::cpu::gemm::{MAX_ROWS, Rows, Step};
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::{Float, Scratch};
use crate::error::Result;
use std::ops::Range;

/// Pieces of work that threads share: panels of columns, and parts of the tiles, whose sums are formed apart and then added.
const PIECES: usize = 16;
/// Elements of all those sums, at most.
const ELEMENTS: usize = 1 << 21;

impl Winograd<'_> {
    /// The gradient of the kernel `(3, 3, channels, filters)`.
    pub fn kernel_grad<T: Float>(&self, x: &[T], dy: &[T], dw: &mut [T]) -> Result<()> {
        let tile = T::tile();
        let (depth, width) = (self.c.from.0, self.c.to.0);
        let (chunk, count) = (self.chunk(), self.count());
        let chunks = count.div_ceil(chunk);
        let size = POINTS * depth * width;
        // Each panel of columns transforms the inputs anew, a tenth of its work, and its sums stay in the second-level cache.
        let panels = width.div_ceil(tile.columns);
        // By sizes alone, so that results do not depend on the threads.
        let parts = PIECES.div_ceil(panels).min(ELEMENTS / size).clamp(1, chunks);
        let memory = chunk * POINTS * (depth + tile.columns);
        let mut scratch = Scratch::new(parts * size + depth.max(width) + parts * panels * memory)?;
        let (sums, rest) = scratch.elements().split_at_mut(parts * size);
        let (zeros, rest) = rest.split_at_mut(depth.max(width));
        zeros.fill(T::ZERO);
        let zeros = &*zeros;
        let (all, memories) = (Parts::new(sums), Parts::new(rest));
        threads::for_each(parts * panels, &|item| {
            let (part, panel) = (item / panels, item % panels);
            let columns = panel * tile.columns..width.min((panel + 1) * tile.columns);
            // SAFETY: each item has its own memory.
            let memory = unsafe { memories.slice(item * memory..(item + 1) * memory) };
            let (inputs, gradients) = memory.split_at_mut(chunk * POINTS * depth);
            for (n, at) in (part * chunks / parts..(part + 1) * chunks / parts).enumerate() {
                let tiles = at * chunk..((at + 1) * chunk).min(count);
                self.transform_inputs(tiles.clone(), x, &zeros[..depth], inputs);
                self.transform_gradients(tiles.clone(), dy, columns.clone(), gradients);
                self.add_products(tiles.len(), inputs, gradients, columns.clone(), &all, part * size, n > 0);
            }
        });
        self.transform_sums(sums, parts, dw);
        Ok(())
    }

    /// A dy Aᵀ for some columns of each tile: the 16 points, each a matrix of tiles by columns.
    fn transform_gradients<T: Float>(&self, tiles: Range<usize>, dy: &[T], columns: Range<usize>, out: &mut [T]) {
        let (chunk, width) = (self.chunk(), self.c.to.0);
        let lanes = columns.len().next_multiple_of(T::tile().lanes);
        T::vectorize(
            #[inline(always)]
            || {
                for (t, tile) in tiles.enumerate() {
                    let dy = self.outputs(tile).map(|pixel| {
                        pixel.map(|pixel| &dy[pixel * width + columns.start..pixel * width + columns.end])
                    });
                    let whole = columns.len() / LANES * LANES;
                    for c in (0..whole).step_by(LANES) {
                        gradient_points::<T, LANES>(&dy, c, &mut out[t * lanes + c..], chunk * lanes);
                    }
                    for c in whole..columns.len() {
                        gradient_points::<T, 1>(&dy, c, &mut out[t * lanes + c..], chunk * lanes);
                    }
                }
            },
        );
    }

    /// Adds the 16 products, each of channels by tiles with tiles by columns, to the sums from `base` on.
    #[allow(clippy::too_many_arguments)]
    fn add_products<T: Float>(
        &self,
        tiles: usize,
        inputs: &[T],
        gradients: &[T],
        columns: Range<usize>,
        sums: &Parts<T>,
        base: usize,
        accumulate: bool,
    ) {
        let tile = T::tile();
        let (depth, width, chunk) = (self.c.from.0, self.c.to.0, self.chunk());
        let lanes = columns.len().next_multiple_of(tile.lanes);
        let c_rows: [usize; MAX_ROWS] = std::array::from_fn(|i| i * width);
        for point in 0..POINTS {
            for i in (0..depth).step_by(tile.rows) {
                let height = tile.rows.min(depth - i);
                let at = base + (point * depth + i) * width + columns.start;
                let step = Step {
                    taps: &[0],
                    depth: tiles,
                    rows: Rows::SideBySide { height, distance: depth },
                    width: columns.len(),
                    a: &inputs[point * chunk * depth + i..],
                    b: &gradients[point * chunk * lanes..][..tiles * lanes],
                    b_rows: lanes,
                    c: sums.pointer(at..at + (height - 1) * width + columns.len()),
                    c_rows: &c_rows,
                    accumulate,
                };
                // SAFETY: the rows are inside the sums (`pointer`), and no other item has this part and these columns.
                unsafe { tile.run(step) }
            }
        }
    }

    /// Gᵀ m G of the sums of all parts, added in their order.
    fn transform_sums<T: Float>(&self, sums: &[T], parts: usize, dw: &mut [T]) {
        let (depth, width) = (self.c.from.0, self.c.to.0);
        let (plane, size) = (depth * width, POINTS * depth * width);
        let [_, lines, columns] = &self.c.axes;
        let place = |i: usize| (lines.taps[i / 3].1 * self.c.sizes[2] + columns.taps[i % 3].1) * plane;
        let places: [usize; 9] = std::array::from_fn(place);
        let dw = Parts::new(dw);
        threads::split(plane, 1 << 10, &|range| {
            // SAFETY: the ranges do not overlap, nor do the kernel's elements.
            let out = places.map(|at| unsafe { dw.slice(at + range.start..at + range.end) });
            T::vectorize(
                #[inline(always)]
                || {
                    for (n, i) in range.clone().enumerate() {
                        let m: [T; POINTS] = std::array::from_fn(|point| {
                            (0..parts).fold(T::ZERO, |sum, part| sum + sums[part * size + point * plane + i])
                        });
                        let down: [[T; 3]; 4] = std::array::from_fn(|k| taps(m[k], m[4 + k], m[8 + k], m[12 + k]));
                        for row in 0..3 {
                            let across = taps(down[0][row], down[1][row], down[2][row], down[3][row]);
                            for (column, &g) in across.iter().enumerate() {
                                out[row * 3 + column][n] = g;
                            }
                        }
                    }
                },
            );
        });
    }
}

/// A dy Aᵀ for `L` columns from `c` on, the points `stride` apart.
#[inline(always)]
fn gradient_points<T: Float, const L: usize>(dy: &[Option<&[T]>; 4], c: usize, out: &mut [T], stride: usize) {
    let mut points = [[T::ZERO; L]; POINTS];
    let dy: [[T; L]; 4] = std::array::from_fn(|i| {
        let mut values = [T::ZERO; L];
        if let Some(dy) = dy[i] {
            values.copy_from_slice(&dy[c..c + L]);
        }
        values
    });
    for l in 0..L {
        let down: [[T; 4]; 2] = std::array::from_fn(|k| four(dy[k][l], dy[2 + k][l]));
        for row in 0..4 {
            for (column, v) in four(down[0][row], down[1][row]).into_iter().enumerate() {
                points[row * 4 + column][l] = v;
            }
        }
    }
    for (point, values) in points.iter().enumerate() {
        out[point * stride..point * stride + L].copy_from_slice(values);
    }
}

/// A y.
#[inline(always)]
fn four<T: Float>(a: T, b: T) -> [T; 4] {
    [a, a + b, a - b, -b]
}

/// Gᵀ m.
#[inline(always)]
fn taps<T: Float>(a: T, b: T, c: T, d: T) -> [T; 3] {
    let half = T::of(0.5);
    [a + half * (b + c), half * (b - c), half * (b + c) + d]
}
