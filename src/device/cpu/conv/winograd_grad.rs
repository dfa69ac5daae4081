//! The gradient of the kernel of a 3 × 3 convolution that moves by one, by Winograd's algorithm:
//! Gᵀ[Σ over tiles (Bᵀ d B) ⊙ (A dy Aᵀ)]G, where the sum is 16 products of matrices, channels × tiles by tiles × filters.

use super::winograd::{POINTS, Winograd, column};
use crate::device::cpu::gemm::{MAX_ROWS, Rows, Step};
use crate::device::cpu::simd::{Body, Lanes, load, store};
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
        T::in_vectors(GradientPoints { winograd: self, tiles, dy, columns, out });
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
        let plane = depth * width;
        let [_, lines, columns] = &self.c.axes;
        let place = |i: usize| (lines.taps[i / 3].1 * self.c.sizes[2] + columns.taps[i % 3].1) * plane;
        let places: [usize; 9] = std::array::from_fn(place);
        let dw = Parts::new(dw);
        threads::split(plane, 1 << 10, &|range| {
            // SAFETY: the ranges do not overlap, nor do the kernel's elements.
            let out = places.map(|at| unsafe { dw.slice(at + range.start..at + range.end) });
            T::in_vectors(Sums { sums, parts, plane, range, out });
        });
    }
}

/// A dy Aᵀ for some columns of some tiles.
struct GradientPoints<'a, T> {
    winograd: &'a Winograd<'a>,
    tiles: Range<usize>,
    dy: &'a [T],
    columns: Range<usize>,
    out: &'a mut [T],
}

impl<T: Float> Body<T> for GradientPoints<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        let lanes = self.columns.len().next_multiple_of(T::tile().lanes);
        let (stride, width, columns) = (self.winograd.chunk() * lanes, self.winograd.c.to.0, self.columns.len());
        for (t, tile) in self.tiles.enumerate() {
            let pixels = self.winograd.outputs(tile);
            let mut dy = [None; 4];
            for (dy, pixel) in dy.iter_mut().zip(pixels) {
                *dy = pixel.map(|pixel| self.dy[pixel * width + self.columns.start..][..columns].as_ptr());
            }
            let out = self.out[t * lanes..][..(POINTS - 1) * stride + lanes].as_mut_ptr();
            for c in (0..columns).step_by(V::LANES) {
                // SAFETY: both sides were cut above; the machine has the instructions by the caller's promise.
                unsafe {
                    let zero = V::splat(T::ZERO);
                    let mut y = [zero; 4];
                    for (y, dy) in y.iter_mut().zip(dy) {
                        if let Some(dy) = dy {
                            *y = load(dy.add(c), columns - c);
                        }
                    }
                    let down = [four([y[0], y[2]]), four([y[1], y[3]])];
                    for row in 0..4 {
                        for (place, &v) in four(column(&down, row)).iter().enumerate() {
                            store(v, out.add((row * 4 + place) * stride + c), columns - c);
                        }
                    }
                }
            }
        }
    }
}

/// A y.
///
/// # Safety
/// The machine has V's instructions.
#[inline(always)]
unsafe fn four<V: Lanes<T: Float>>([a, b]: [V; 2]) -> [V; 4] {
    // SAFETY: the caller's promise.
    unsafe { [a, a.add(b), a.sub(b), V::splat(V::T::ZERO).sub(b)] }
}

/// Gᵀ m G of some elements of the sums of all parts.
struct Sums<'a, T> {
    sums: &'a [T],
    parts: usize,
    /// Elements of a point.
    plane: usize,
    range: Range<usize>,
    /// The same elements of the kernel's nine.
    out: [&'a mut [T]; 9],
}

impl<T: Float> Body<T> for Sums<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        let (plane, size, count) = (self.plane, POINTS * self.plane, self.range.len());
        assert!(self.sums.len() >= self.parts * size && self.range.end <= plane);
        assert!(self.out.iter().all(|out| out.len() == count));
        for n in (0..count).step_by(V::LANES) {
            let from = self.sums[self.range.start + n..].as_ptr();
            // SAFETY: by the assertions; the machine has the instructions by the caller's promise.
            unsafe {
                let zero = V::splat(T::ZERO);
                let mut down = [[zero; 3]; 4];
                for (k, down) in down.iter_mut().enumerate() {
                    let mut m = [zero; 4];
                    for (i, m) in m.iter_mut().enumerate() {
                        for part in 0..self.parts {
                            *m = m.add(load(from.add(part * size + (i * 4 + k) * plane), count - n));
                        }
                    }
                    *down = taps(m);
                }
                for row in 0..3 {
                    let across = taps(column(&down, row));
                    for (place, &g) in across.iter().enumerate() {
                        store(g, self.out[row * 3 + place].as_mut_ptr().add(n), count - n);
                    }
                }
            }
        }
    }
}

/// Gᵀ m.
///
/// # Safety
/// The machine has V's instructions.
#[inline(always)]
unsafe fn taps<V: Lanes<T: Float>>([a, b, c, d]: [V; 4]) -> [V; 3] {
    // SAFETY: the caller's promise.
    unsafe {
        let half = V::splat(V::T::of(0.5));
        let (sum, difference) = (b.add(c), b.sub(c));
        [half.mul_add(sum, a), half.mul_add(difference, V::splat(V::T::ZERO)), half.mul_add(sum, d)]
    }
}
