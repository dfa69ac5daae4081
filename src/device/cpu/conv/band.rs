//! What a band of output rows reads: a part of one image, where it lies or copied with zeros around it.

use super::along::Along;
use crate::device::cpu::Float;
use smallvec::SmallVec;
use std::ops::Range;

/// As many elements as a band reads, unless one row needs more: they stay in the second-level cache.
const ELEMENTS: usize = 1 << 16;

/// How outputs read their images, a band of rows at a time.
pub struct Layout<'a> {
    axes: &'a [Along; 3],
    /// Channels of an image, and those that are read.
    channels: usize,
    from: Range<usize>,
    /// Whether images are read where they lie; if not, each band is copied.
    in_place: bool,
    /// The extents of what is read, and the distance of its elements.
    extents: [usize; 3],
    pitch: usize,
    /// Output rows of a band, and the bands of a plane.
    pub rows: usize,
    pub bands: usize,
    /// Where the taps begin, from where an output's element begins.
    pub taps: SmallVec<[usize; 64]>,
    /// Elements that a tap reads side by side: the channels of one element of the kernel, or of several that join.
    pub depth: usize,
    /// The elements of the kernel in the order of the taps.
    pub kernel: SmallVec<[usize; 64]>,
}

impl<'a> Layout<'a> {
    /// The layout for sums over taps along `axes` with a kernel of `sizes`, over the channels `from` of `channels`. Bands
    /// become shorter where `images` of them do not make `pieces` of work.
    pub fn new(
        axes: &'a [Along; 3],
        sizes: [usize; 3],
        channels: usize,
        from: Range<usize>,
        images: usize,
        pieces: usize,
    ) -> Layout<'a> {
        let [planes, lines, columns] = axes;
        let in_place = axes.iter().all(Along::is_inside);
        let reach = |along: &Along, count: usize| count.saturating_sub(1) * along.step + along.span();
        let row = planes.span() * lines.step * reach(columns, columns.count) * from.len();
        let mut rows = (ELEMENTS / row.max(1)).clamp(1, lines.count.max(1));
        while rows > 4 && images * planes.count * lines.count.div_ceil(rows) < pieces {
            rows = rows.div_ceil(2);
        }
        let bands = lines.count.div_ceil(rows);
        let rows = lines.count.div_ceil(bands.max(1)).max(1);
        let (extents, pitch, origin) = if in_place {
            (axes.each_ref().map(|a| a.input), channels, [0; 3])
        } else {
            let extents = [planes.span(), reach(lines, rows), reach(columns, columns.count)];
            (extents, from.len(), axes.each_ref().map(Along::low))
        };
        let joins = pitch == from.len() && columns.is_run();
        let (mut taps, mut kernel) = (SmallVec::new(), SmallVec::new());
        for &(p, i) in &planes.taps {
            for &(q, j) in &lines.taps {
                for (n, &(r, k)) in columns.taps.iter().enumerate() {
                    kernel.push((i * sizes[1] + j) * sizes[2] + k);
                    if n == 0 || !joins {
                        let [p, q, r] = [p - origin[0], q - origin[1], r - origin[2]].map(|offset| offset as usize);
                        taps.push(((p * extents[1] + q) * extents[2] + r) * pitch);
                    }
                }
            }
        }
        let depth = from.len() * if joins { columns.taps.len() } else { 1 };
        Layout { axes, channels, from, in_place, extents, pitch, rows, bands, taps, depth, kernel }
    }

    /// Elements of memory that a band is copied to; none where images are read where they lie.
    pub fn copied(&self) -> usize {
        if self.in_place { 0 } else { self.extents.iter().product::<usize>() * self.pitch }
    }

    /// The output rows of a band.
    pub fn lines(&self, band: usize) -> Range<usize> {
        band * self.rows..((band + 1) * self.rows).min(self.axes[1].count)
    }

    /// What the outputs of plane `plane` from row `line` on read of `image`, and where the first of them begins; copied
    /// into `memory` if need be.
    pub fn source<'s, T: Float>(
        &self,
        image: &'s [T],
        plane: usize,
        lines: Range<usize>,
        memory: &'s mut [T],
    ) -> (&'s [T], usize) {
        let [a, b, c] = self.axes;
        let [_, height, width] = self.extents;
        if self.in_place {
            return (image, (plane * a.step * height + lines.start * b.step) * width * self.pitch + self.from.start);
        }
        let row = width * self.pitch;
        let last = (lines.len() - 1) * b.step + b.span();
        for (p, to) in memory.chunks_exact_mut(height * row).enumerate() {
            let p = a.at(plane, a.low() + p as isize);
            for (q, to) in to.chunks_exact_mut(row).enumerate().take(last) {
                match (p, b.at(lines.start, b.low() + q as isize)) {
                    (Some(p), Some(q)) => {
                        let from = (p * b.input + q) * c.input * self.channels;
                        self.copy_row(&image[from..from + c.input * self.channels], to);
                    }
                    _ => to.fill(T::ZERO),
                }
            }
        }
        (memory, 0)
    }

    /// Copies one row with zeros around it.
    fn copy_row<T: Float>(&self, from: &[T], to: &mut [T]) {
        let columns = &self.axes[2];
        let before = (-columns.low()).max(0) as usize;
        let skipped = columns.low().max(0) as usize;
        let width = to.len() / self.pitch;
        let before = before.min(width);
        let inside = (columns.input - skipped.min(columns.input)).min(width - before);
        let (zeros, to) = to.split_at_mut(before * self.pitch);
        let (to, after) = to.split_at_mut(inside * self.pitch);
        zeros.fill(T::ZERO);
        after.fill(T::ZERO);
        let from = &from[skipped * self.channels..];
        if self.pitch == self.channels {
            to.copy_from_slice(&from[..to.len()]);
        } else {
            for (from, to) in from.chunks_exact(self.channels).zip(to.chunks_exact_mut(self.pitch)) {
                to.copy_from_slice(&from[self.from.clone()]);
            }
        }
    }

    /// Where the outputs of a band begin in what it reads, and in the output, both from the band's first: one after the
    /// other along the rows.
    pub fn places(&self, channels: usize) -> Places {
        let [_, lines, columns] = self.axes;
        Places {
            count: columns.count,
            column: 0,
            from: [lines.step * self.extents[2] * self.pitch, columns.step * self.pitch],
            to: [lines.every * columns.output * channels, columns.every * channels],
            line: [0, 0],
            at: [0, 0],
        }
    }
}

/// The places of outputs, in what they read and in the output.
pub struct Places {
    count: usize,
    column: usize,
    from: [usize; 2],
    to: [usize; 2],
    line: [usize; 2],
    at: [usize; 2],
}

impl Places {
    /// The places of the next outputs, as many as the slices have.
    pub fn next(&mut self, from: &mut [usize], to: &mut [usize]) {
        for (from, to) in from.iter_mut().zip(to) {
            [*from, *to] = self.at;
            self.column += 1;
            if self.column == self.count {
                self.column = 0;
                self.line = [self.line[0] + self.from[0], self.line[1] + self.to[0]];
                self.at = self.line;
            } else {
                self.at = [self.at[0] + self.from[1], self.at[1] + self.to[1]];
            }
        }
    }

    /// Elements from one output to the next in a row, and from one row to the next, in what they read.
    pub fn distances(&self) -> [usize; 2] {
        self.from
    }
}
