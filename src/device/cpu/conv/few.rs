//! Convolutions of few filters, whose columns would fill little of a product's tile: one product with a column for each filter of
//! each element of the kernel, over all elements of the input, whose parts are then added up where they belong.

use super::{Axis, Geometry, positions};
use crate::device::cpu::gemm::{Finish, View, gemm};
use crate::device::cpu::{Float, Scratch, threads};
use crate::error::Result;
use std::ops::Range;

/// Elements of the parts that are computed at once, of several images if they fit, so that they are in cache when they are added
/// up; of larger images it would be memory that is read.
const TOGETHER: usize = 1 << 18;
/// A product over fewer channels has no depth.
const CHANNELS: usize = 8;

/// A convolution of one group with few filters.
pub struct Few<'g> {
    g: &'g Geometry,
    /// Elements of the kernel, and of an image of the input and of the output.
    taps: usize,
    inputs: usize,
    outputs: usize,
    /// Columns of the product: those of all taps, and zeros that fill a vector.
    columns: usize,
}

impl<'g> Few<'g> {
    /// The convolution, if it costs less than half of the multiplications that whole tiles of its filters would.
    pub fn of<T: Float>(g: &'g Geometry) -> Option<Few<'g>> {
        let of = |f: fn(&Axis) -> usize| g.axes.iter().map(f).product::<usize>();
        let (taps, inputs, outputs) = (of(|a| a.size), of(|a| a.input), of(|a| a.output));
        let lanes = T::tile().lanes;
        let columns = (taps * g.filters).next_multiple_of(lanes);
        let fits = g.groups == 1
            && g.channels >= CHANNELS
            && inputs.saturating_mul(columns) <= TOGETHER
            && g.batch * inputs * outputs * columns > 0;
        let pays = fits && 2 * inputs * columns <= outputs * taps * g.filters.next_multiple_of(lanes);
        pays.then_some(Few { g, taps, inputs, outputs, columns })
    }

    /// See [`super::forward`].
    pub fn forward<T: Float>(&self, x: &[T], kernel: &[T], out: &mut [T], finish: Option<Finish<T>>) -> Result<()> {
        let Few { g, inputs, outputs, columns, .. } = *self;
        let (together, filters) = (self.together(), g.filters);
        let matrix = g.channels * columns;
        let mut scratch = Scratch::new(matrix + together * inputs * columns)?;
        let (matrix, parts) = scratch.elements().split_at_mut(matrix);
        matrix.fill(T::ZERO);
        self.each_weight(|weight, at| matrix[at..at + filters].copy_from_slice(&kernel[weight..weight + filters]));
        for first in (0..g.batch).step_by(together) {
            let images = first..(first + together).min(g.batch);
            let parts = &mut parts[..images.len() * inputs * columns];
            let x = View::new(&x[first * inputs * g.channels..], g.channels, false);
            let rows = images.len() * inputs;
            gemm([rows, columns, g.channels], x, View::new(matrix, columns, false), parts, false, None)?;
            let out = &mut out[first * outputs * filters..images.end * outputs * filters];
            threads::split_rows(out, outputs * filters, 1, |image, out| {
                let images = parts.chunks_exact(inputs * columns).skip(image);
                for (parts, out) in images.zip(out.chunks_exact_mut(outputs * filters)) {
                    out.fill(T::ZERO);
                    self.each_run(|run| self.add(&run, parts, out));
                }
                if let Some(finish) = finish {
                    finish((first + image) * outputs, 0, out);
                }
            });
        }
        Ok(())
    }

    /// See [`super::kernel_grad`].
    pub fn kernel_grad<T: Float>(&self, x: &[T], dy: &[T], dw: &mut [T]) -> Result<()> {
        let Few { g, inputs, outputs, columns, .. } = *self;
        let (together, filters) = (self.together(), g.filters);
        let matrix = g.channels * columns;
        let mut scratch = Scratch::new(matrix + together * inputs * columns)?;
        let (matrix, parts) = scratch.elements().split_at_mut(matrix);
        for first in (0..g.batch).step_by(together) {
            let images = first..(first + together).min(g.batch);
            let parts = &mut parts[..images.len() * inputs * columns];
            threads::split_rows(parts, inputs * columns, 1, |image, parts| {
                let images = dy.chunks_exact(outputs * filters).skip(first + image);
                for (dy, parts) in images.zip(parts.chunks_exact_mut(inputs * columns)) {
                    parts.fill(T::ZERO);
                    self.each_run(|run| self.spread(&run, dy, parts));
                }
            });
            let x = View::new(&x[first * inputs * g.channels..], g.channels, true);
            let rows = images.len() * inputs;
            gemm([g.channels, columns, rows], x, View::new(parts, columns, false), matrix, first > 0, None)?;
        }
        self.each_weight(|weight, at| dw[weight..weight + filters].copy_from_slice(&matrix[at..at + filters]));
        Ok(())
    }

    /// How many images are computed at once: by sizes alone, so that results do not depend on the threads.
    fn together(&self) -> usize {
        (TOGETHER / (self.inputs * self.columns)).clamp(1, self.g.batch)
    }

    /// Calls `f` for each tap and channel with where its filters stand in the kernel, and in the matrix of the product.
    fn each_weight(&self, mut f: impl FnMut(usize, usize)) {
        for tap in 0..self.taps {
            for channel in 0..self.g.channels {
                f((tap * self.g.channels + channel) * self.g.filters, channel * self.columns + tap * self.g.filters);
            }
        }
    }

    /// Calls `f` for each tap of each row of an image of the output.
    fn each_run(&self, mut f: impl FnMut(Run)) {
        let [a, b, c] = &self.g.axes;
        for (i, j, _) in positions([a.output, b.output, 1]) {
            for (tap, (p, q, r)) in positions([a.size, b.size, c.size]).enumerate() {
                let (Some(u), Some(v), Some((steps, w))) = (a.seen(i, p), b.seen(j, q), c.all_seen(r)) else {
                    continue;
                };
                let from = (u * b.input + v) * c.input + w;
                f(Run { to: (i * b.output + j) * c.output + steps.start, count: steps.len(), from, tap });
            }
        }
    }

    fn add<T: Float>(&self, run: &Run, parts: &[T], out: &mut [T]) {
        let (filters, step) = (self.g.filters, self.g.axes[2].stride * self.columns);
        let parts = parts[run.from * self.columns + run.tap * filters..].chunks(step);
        for (out, part) in out[run.to * filters..].chunks_exact_mut(filters).zip(parts).take(run.count) {
            out.iter_mut().zip(part).for_each(|(sum, &part)| *sum += part);
        }
    }

    fn spread<T: Float>(&self, run: &Run, dy: &[T], parts: &mut [T]) {
        let (filters, step) = (self.g.filters, self.g.axes[2].stride * self.columns);
        let parts = parts[run.from * self.columns + run.tap * filters..].chunks_mut(step);
        for (dy, part) in dy[run.to * filters..].chunks_exact(filters).zip(parts).take(run.count) {
            part[..filters].copy_from_slice(dy);
        }
    }
}

/// Outputs side by side that see the input through one element of the kernel.
struct Run {
    /// The first of them, and how many there are.
    to: usize,
    count: usize,
    /// The input's element that the first of them sees.
    from: usize,
    tap: usize,
}

impl Axis {
    /// The input's element that element `k` of the kernel sees at `step`, if it is inside.
    pub(super) fn seen(&self, step: usize, k: usize) -> Option<usize> {
        (step * self.stride + k * self.dilation).checked_sub(self.before).filter(|&i| i < self.input)
    }

    /// The steps at which element `k` of the kernel sees the input, and what it sees at the first of them, if there is one.
    fn all_seen(&self, k: usize) -> Option<(Range<usize>, usize)> {
        let ahead = k * self.dilation;
        let start = self.before.saturating_sub(ahead).div_ceil(self.stride);
        let end = (self.input + self.before).saturating_sub(ahead).div_ceil(self.stride).min(self.output);
        (start < end).then(|| (start..end, start * self.stride + ahead - self.before))
    }
}
