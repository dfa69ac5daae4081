//! The engine of dense convolutions, forward and for the input's gradient: a product that reads its left factor where it lies.
//!
//! Both are sums over taps (`along.rs`): forward over x with the kernel's elements, and for the input's gradient over dy, once
//! for each phase of the stride, with the kernel transposed. The tile of the matrix product takes its rows from where the
//! outputs' windows begin, and its depth runs over the taps; no matrix of windows is made.

use super::along::Along;
use super::band::Layout;
use super::winograd::Winograd;
use crate::device::cpu::gemm::{Finish, MAX_ROWS, Rows, Step, Tile, View, pack_columns};
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::{Float, Scratch};
use crate::error::Result;
use std::ops::Range;

/// Packed elements of the kernel that one pass over a band's outputs reads: they share the second-level cache with the band.
const PASS: usize = 1 << 16;

/// A sum over taps along three axes: which channels it reads and which it writes.
pub struct Correlation {
    /// Images.
    pub batch: usize,
    /// The spatial axes.
    pub axes: [Along; 3],
    /// The kernel's extents.
    pub sizes: [usize; 3],
    /// Channels of the input, and those that are read.
    pub from: (usize, Range<usize>),
    /// Channels of the output, and those that are written.
    pub to: (usize, Range<usize>),
}

impl Correlation {
    /// `out = Σ over taps of x · kernel(tap)`, then `finish` over the rows of `out`. `kernel` gives for an element of the kernel
    /// its matrix: as many rows as channels are read, as many columns as are written.
    pub fn run<'k, T: Float>(
        &self,
        x: &[T],
        kernel: &(dyn Fn(usize) -> View<'k, T> + Sync),
        out: &mut [T],
        finish: Option<Finish<T>>,
    ) -> Result<()> {
        let tile = T::tile();
        let [planes, lines, columns] = &self.axes;
        let outputs = planes.count * lines.count * columns.count;
        if self.batch * outputs * self.to.1.len() == 0 {
            return Ok(());
        }
        if let Some(winograd) = Winograd::of(self) {
            return winograd.run(x, kernel, out, finish);
        }
        let threads = if threads::count() == 1 { 1 } else { threads::count() * 4 };
        let (from, sizes) = (self.from.1.clone(), self.sizes);
        let layout = Layout::new(&self.axes, sizes, self.from.0, from, self.batch, threads);
        let items = self.batch * planes.count * layout.bands;
        let pieces = threads.min(items);
        let packed = Packed::new(&layout, self.to.1.len(), self.from.1.len(), &tile);
        let mut scratch = Scratch::new(packed.len() + pieces * layout.copied())?;
        let (weights, memory) = scratch.elements().split_at_mut(packed.len());
        packed.fill(weights, kernel);
        let (weights, memory, out) = (&*weights, Parts::new(memory), Parts::new(out));
        threads::for_each(pieces, &|piece| {
            // SAFETY: each piece has its own part of the memory.
            let memory = unsafe { memory.slice(piece * layout.copied()..(piece + 1) * layout.copied()) };
            for item in piece * items / pieces..(piece + 1) * items / pieces {
                self.band(&layout, &packed, item, x, weights, memory, &out);
                if let Some(finish) = finish {
                    self.finish(&layout, item, &out, finish);
                }
            }
        });
        Ok(())
    }

    /// The image, plane and rows of an item of work.
    fn place(&self, layout: &Layout, item: usize) -> (usize, usize, Range<usize>) {
        let (rest, band) = (item / layout.bands, item % layout.bands);
        (rest / self.axes[0].count, rest % self.axes[0].count, layout.lines(band))
    }

    /// Where the output of a plane's row begins.
    fn row(&self, image: usize, plane: usize, line: usize) -> usize {
        let [a, b, c] = &self.axes;
        let plane = image * a.output + a.first + plane * a.every;
        ((plane * b.output + b.first + line * b.every) * c.output + c.first) * self.to.0
    }

    #[allow(clippy::too_many_arguments)]
    fn band<T: Float>(
        &self,
        layout: &Layout,
        packed: &Packed<T>,
        item: usize,
        x: &[T],
        weights: &[T],
        memory: &mut [T],
        out: &Parts<T>,
    ) {
        let (image, plane, lines) = self.place(layout, item);
        let [a, b, c] = &self.axes;
        let size = a.input * b.input * c.input * self.from.0;
        let first = self.row(image, plane, lines.start);
        let count = lines.len() * c.count;
        if packed.rows == 0 {
            return self.clear_outputs(layout, first, count, out);
        }
        let (source, start) = layout.source(&x[image * size..(image + 1) * size], plane, lines, memory);
        let (mut starts, mut c_rows) = ([0; MAX_ROWS], [0; MAX_ROWS]);
        for (pass, taps) in packed.passes(layout) {
            for j in (0..self.to.1.len()).step_by(packed.tile.columns) {
                let width = packed.tile.columns.min(self.to.1.len() - j);
                let (panel, lanes) = packed.panel(j, pass.clone());
                let to = first + self.to.1.start + j;
                let mut places = layout.places(self.to.0);
                let mut done = 0;
                while done < count {
                    let height = packed.tile.rows.min(count - done);
                    let (starts, c_rows) = (&mut starts[..height], &mut c_rows[..height]);
                    places.next(starts, c_rows);
                    done += height;
                    let step = Step {
                        taps,
                        depth: layout.depth,
                        rows: Rows::Apart(starts),
                        width,
                        a: &source[start..],
                        b: &weights[panel.clone()],
                        b_rows: lanes,
                        c: out.pointer(to..to + c_rows[height - 1] + width),
                        c_rows,
                        accumulate: pass.start > 0,
                    };
                    // SAFETY: the places ascend, so the last row's end, which `pointer` checks, bounds all; no other item
                    // writes these outputs, and this item's tiles are written one after the other.
                    unsafe { packed.tile.run(step) }
                }
            }
        }
    }

    /// Zeros for outputs that no tap reaches.
    fn clear_outputs<T: Float>(&self, layout: &Layout, first: usize, count: usize, out: &Parts<T>) {
        let mut places = layout.places(self.to.0);
        for _ in 0..count {
            let (mut from, mut to) = ([0], [0]);
            places.next(&mut from, &mut to);
            let at = first + self.to.1.start + to[0];
            // SAFETY: no other item writes these outputs.
            unsafe { out.slice(at..at + self.to.1.len()) }.fill(T::ZERO);
        }
    }

    fn finish<T: Float>(&self, layout: &Layout, item: usize, out: &Parts<T>, finish: Finish<T>) {
        let (image, plane, lines) = self.place(layout, item);
        let (channels, written) = (self.to.0, &self.to.1);
        let whole = written.len() == channels && self.axes[1].every == 1 && self.axes[2].every == 1;
        if whole {
            let start = self.row(image, plane, lines.start);
            // SAFETY: these rows are this item's, and their products are done.
            let rows = unsafe { out.slice(start..start + lines.len() * self.axes[2].output * channels) };
            return finish(start / channels, 0, rows);
        }
        for line in lines {
            for t in 0..self.axes[2].count {
                let at = self.row(image, plane, line) + t * self.axes[2].every * channels;
                // SAFETY: as above.
                finish(at / channels, written.start, unsafe { out.slice(at + written.start..at + written.end) });
            }
        }
    }
}

/// The kernel in the order in which tiles read it: for each two vectors of columns, the rows of all taps.
struct Packed<'l, T: 'static> {
    tile: &'l Tile<T>,
    kernel: &'l [usize],
    /// Channels that are read and written.
    depth: usize,
    width: usize,
    /// Rows of all taps.
    rows: usize,
}

impl<'l, T: Float> Packed<'l, T> {
    fn new(layout: &'l Layout, width: usize, depth: usize, tile: &'l Tile<T>) -> Packed<'l, T> {
        Packed { tile, kernel: &layout.kernel, depth, width, rows: layout.kernel.len() * depth }
    }

    fn lanes(&self, j: usize) -> usize {
        self.tile.columns.min(self.width - j).next_multiple_of(self.tile.lanes)
    }

    fn len(&self) -> usize {
        (self.rows * self.width.next_multiple_of(self.tile.lanes)).next_multiple_of(64)
    }

    /// Rows `rows` of the panel from column `j` on, and the distance of its rows.
    fn panel(&self, j: usize, rows: Range<usize>) -> (Range<usize>, usize) {
        let (start, lanes) = (j * self.rows, self.lanes(j));
        (start + rows.start * lanes..start + rows.end * lanes, lanes)
    }

    fn fill<'k>(&self, out: &mut [T], kernel: &(dyn Fn(usize) -> View<'k, T> + Sync)) {
        let out = Parts::new(out);
        let panels = if self.rows == 0 { 0 } else { self.width.div_ceil(self.tile.columns) };
        threads::for_each(panels, &|panel| {
            let j = panel * self.tile.columns;
            let end = self.width.min(j + self.tile.columns);
            for (tap, &k) in self.kernel.iter().enumerate() {
                let (part, lanes) = self.panel(j, tap * self.depth..(tap + 1) * self.depth);
                // SAFETY: panels and their rows do not overlap.
                pack_columns(kernel(k), 0..self.depth, j..end, lanes, unsafe { out.slice(part) });
            }
        });
    }

    /// The taps cut into passes that read what fits the cache, each with its rows of the packed kernel.
    fn passes<'t>(&self, layout: &'t Layout) -> impl Iterator<Item = (Range<usize>, &'t [usize])> + use<'t, T> {
        let depth = layout.depth;
        let taps = (PASS / (depth * self.tile.columns).max(1)).max(1);
        let taps = layout.taps.len().div_ceil(layout.taps.len().div_ceil(taps).max(1)).max(1);
        let all = if depth == 0 { &[] } else { &layout.taps[..] };
        all.chunks(taps).enumerate().map(move |(i, chunk)| (i * taps * depth..(i * taps + chunk.len()) * depth, chunk))
    }
}
