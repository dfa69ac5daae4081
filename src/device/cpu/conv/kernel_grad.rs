//! The gradient of a dense convolution's kernel: for each of its elements the product of what it saw, transposed, with dy.

use super::band::Layout;
use super::correlate::Correlation;
use super::winograd::Winograd;
use crate::device::cpu::gemm::{MAX_ROWS, Rows, Step, View, pack_columns};
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::{Float, Scratch};
use crate::error::Result;
use smallvec::SmallVec;
use std::ops::Range;

/// Sums over parts of the batch are formed apart and then added, so that threads can share a small kernel's gradient: so many
/// parts, and so many elements of memory for them, at most.
const PARTS: usize = 16;
const PART_ELEMENTS: usize = 1 << 20;

impl Correlation {
    /// `dw = Σ over images and places of xᵀ · dy`, for each element of the kernel and the channels of the group.
    pub fn kernel_grad<T: Float>(&self, x: &[T], dy: &[T], dw: &mut [T]) -> Result<()> {
        if let Some(winograd) = Winograd::of(self) {
            return winograd.kernel_grad(x, dy, dw);
        }
        let tile = T::tile();
        let [planes, lines, columns] = &self.axes;
        let layout = Layout::new(&self.axes, self.sizes, self.from.0, self.from.1.clone(), self.batch, 1);
        let outputs = planes.count * lines.count * columns.count;
        let rows = layout.kernel.len() * self.from.1.len();
        let size = rows * self.to.0;
        if self.batch * outputs == 0 || rows == 0 {
            self.clear_kernel(rows, &Parts::new(dw));
            return Ok(());
        }
        // By sizes alone, so that results do not depend on the threads.
        let parts = PARTS.min(PART_ELEMENTS / size.max(1)).clamp(1, self.batch);
        let panels = self.to.1.len().div_ceil(tile.columns);
        let packed = layout.rows * columns.count * tile.columns;
        let memory = layout.copied() + packed;
        let partial = if parts == 1 { 0 } else { parts * size };
        let mut scratch = Scratch::new(partial + parts * panels * memory)?;
        let (partial, scratch) = scratch.elements().split_at_mut(partial);
        {
            let sums = Parts::new(if parts == 1 { &mut *dw } else { partial });
            let scratch = Parts::new(scratch);
            threads::for_each(parts * panels, &|item| {
                // SAFETY: each item has its own part of the memory.
                let memory = unsafe { scratch.slice(item * memory..(item + 1) * memory) };
                let (part, panel) = (item / panels, item % panels);
                let images = part * self.batch / parts..(part + 1) * self.batch / parts;
                self.part(&layout, images, panel * tile.columns, x, dy, memory, &sums, part * size);
            });
        }
        if parts > 1 {
            self.add_up(rows, partial, dw);
        }
        Ok(())
    }

    /// The sums over some images, for the columns from `j` on, into `sums` from `base` on.
    #[allow(clippy::too_many_arguments)]
    fn part<T: Float>(
        &self,
        layout: &Layout,
        images: Range<usize>,
        j: usize,
        x: &[T],
        dy: &[T],
        memory: &mut [T],
        sums: &Parts<T>,
        base: usize,
    ) {
        let tile = T::tile();
        let [a, b, c] = &self.axes;
        let (filters, columns) = (self.to.0, self.to.1.start + j..self.to.1.end);
        let width = tile.columns.min(columns.len());
        let lanes = width.next_multiple_of(tile.lanes);
        let size = a.input * b.input * c.input * self.from.0;
        let (copied, packed) = memory.split_at_mut(layout.copied());
        let [line, distance] = layout.places(filters).distances();
        let c_rows: [usize; MAX_ROWS] = std::array::from_fn(|i| i * filters);
        let mut accumulate = false;
        for image in images {
            for plane in 0..a.count {
                for band in 0..layout.bands {
                    let lines = layout.lines(band);
                    let pixels = lines.len() * c.count;
                    let first = ((image * a.count + plane) * b.count + lines.start) * c.count;
                    let packed = &mut packed[..pixels * lanes];
                    let view = View::new(dy, filters, false);
                    pack_columns(view, first..first + pixels, columns.start..columns.start + width, lanes, packed);
                    let starts: SmallVec<[usize; 64]> = (0..lines.len()).map(|i| i * line).collect();
                    let (source, start) = layout.source(&x[image * size..(image + 1) * size], plane, lines, copied);
                    for (tap, &offset) in layout.taps.iter().enumerate() {
                        for i in (0..layout.depth).step_by(tile.rows) {
                            let height = tile.rows.min(layout.depth - i);
                            let to = base + (tap * layout.depth + i) * filters + columns.start;
                            let step = Step {
                                taps: &starts,
                                depth: c.count,
                                rows: Rows::SideBySide { height, distance },
                                width,
                                a: &source[start + offset + i..],
                                b: packed,
                                b_rows: lanes,
                                c: sums.pointer(to..to + (height - 1) * filters + width),
                                c_rows: &c_rows,
                                accumulate,
                            };
                            // SAFETY: the tile's rows are inside the sums (`pointer`); no other item has this part and
                            // these columns.
                            unsafe { tile.run(step) }
                        }
                    }
                    accumulate = true;
                }
            }
        }
    }

    /// The group's columns of `rows` rows of the kernel.
    fn clear_kernel<T: Float>(&self, rows: usize, dw: &Parts<T>) {
        let (filters, columns) = (self.to.0, &self.to.1);
        for row in 0..rows {
            // SAFETY: nobody else has the kernel's gradient yet.
            unsafe { dw.slice(row * filters + columns.start..row * filters + columns.end) }.fill(T::ZERO);
        }
    }

    /// Adds the parts up, in their order.
    fn add_up<T: Float>(&self, rows: usize, partial: &[T], dw: &mut [T]) {
        let (filters, columns) = (self.to.0, self.to.1.clone());
        let size = rows * filters;
        threads::split_rows(dw, filters, (1 << 12) / filters.max(1) + 1, |first, dw| {
            T::vectorize(
                #[inline(always)]
                || {
                    for (row, dw) in (first..).zip(dw.chunks_exact_mut(filters)) {
                        let at = row * filters;
                        let dw = &mut dw[columns.clone()];
                        dw.copy_from_slice(&partial[at + columns.start..at + columns.end]);
                        for part in partial.chunks_exact(size).skip(1) {
                            let part = &part[at + columns.start..at + columns.end];
                            dw.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
                        }
                    }
                },
            );
        });
    }
}
