//! Depthwise convolutions: each channel has a kernel of its own, so they cost by the bytes that they move.
//!
//! Loops run over channels in vectors, and over a few outputs of a row at a time, whose sums stay in registers.

use super::Geometry;
use super::along::Along;
use crate::device::cpu::gemm::Finish;
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::{Float, Scratch};
use crate::error::Result;
use smallvec::SmallVec;

/// Channels of a vector, and outputs of a row that are computed at once.
const LANES: usize = 16;
const TILE: usize = 4;
/// Sums over parts of the batch, so many at most, are formed apart and then added.
const PARTS: usize = 16;

/// `out = x * kernel`, then `finish` over the rows of `out`.
pub fn forward<T: Float>(g: &Geometry, x: &[T], kernel: &[T], out: &mut [T], finish: Option<Finish<T>>) -> Result<()> {
    let axes = g.axes.each_ref().map(Along::forward);
    let mut wide = Scratch::new(if g.filters == g.channels { 0 } else { x.len() / g.channels * g.filters })?;
    Sweep { g, axes: &axes }.run(repeated(g, x, wide.elements()), kernel, out, finish);
    Ok(())
}

/// `dx`, the gradient of the input.
pub fn input_grad<T: Float>(g: &Geometry, dy: &[T], kernel: &[T], dx: &mut [T]) -> Result<()> {
    let mut wide = Scratch::new(if g.filters == g.channels { 0 } else { dx.len() / g.channels * g.filters })?;
    let wide = wide.elements();
    let out = if g.filters == g.channels { &mut *dx } else { &mut *wide };
    for (i, j, k) in g.phases() {
        let [a, b, c] = &g.axes;
        let axes = [Along::backward(a, i), Along::backward(b, j), Along::backward(c, k)];
        Sweep { g, axes: &axes }.run(dy, kernel, out, None);
    }
    if g.filters != g.channels {
        let each = g.filters / g.channels;
        threads::split_rows(dx, 1, 1 << 12, |first, dx| {
            for (x, wide) in dx.iter_mut().zip(wide[first * each..].chunks_exact(each)) {
                *x = wide.iter().fold(T::ZERO, |sum, &x| sum + x);
            }
        });
    }
    Ok(())
}

/// `dw`, the gradient of the kernel.
pub fn kernel_grad<T: Float>(g: &Geometry, x: &[T], dy: &[T], dw: &mut [T]) -> Result<()> {
    let axes = g.axes.each_ref().map(Along::forward);
    let mut wide = Scratch::new(if g.filters == g.channels { 0 } else { x.len() / g.channels * g.filters })?;
    let x = repeated(g, x, wide.elements());
    let parts = PARTS.min(g.batch).max(1);
    let mut partial = Scratch::new(parts * dw.len())?;
    let partial = partial.elements();
    let size = dw.len();
    let sums = Parts::new(partial);
    threads::for_each(parts, &|part| {
        // SAFETY: each part has its own sums.
        let sums = unsafe { sums.slice(part * size..(part + 1) * size) };
        sums.fill(T::ZERO);
        let sweep = Sweep { g, axes: &axes };
        let rows = axes[0].count * axes[1].count;
        for row in part * g.batch / parts * rows..(part + 1) * g.batch / parts * rows {
            T::vectorize(
                #[inline(always)]
                || sweep.add_kernel_grad(row, x, dy, sums),
            );
        }
    });
    dw.copy_from_slice(&partial[..size]);
    for part in partial.chunks_exact(size.max(1)).skip(1) {
        dw.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
    }
    Ok(())
}

/// The input with each channel as often as it has filters, in `wide` where that is more than once.
fn repeated<'a, T: Float>(g: &Geometry, x: &'a [T], wide: &'a mut [T]) -> &'a [T] {
    let each = g.filters / g.channels;
    if each == 1 {
        return x;
    }
    threads::split_rows(wide, each, 1 << 12, |first, wide| {
        for (wide, &x) in wide.chunks_exact_mut(each).zip(&x[first..]) {
            wide.fill(x);
        }
    });
    wide
}

/// Sums over taps along three axes, channel by channel, of as many channels as the convolution has filters.
struct Sweep<'a> {
    g: &'a Geometry,
    axes: &'a [Along; 3],
}

/// What one row of outputs reads: where the rows of the input begin, and the first element of the kernel's row for each.
struct Row {
    reads: SmallVec<[(usize, usize); 16]>,
    /// Outputs for which all taps along the row are inside.
    inside: std::ops::Range<usize>,
}

impl Sweep<'_> {
    fn run<T: Float>(&self, x: &[T], kernel: &[T], out: &mut [T], finish: Option<Finish<T>>) {
        let [a, b, c] = self.axes;
        let channels = self.g.filters;
        let rows = self.g.batch * a.count * b.count;
        let grain = (1usize << 14).div_ceil((c.count * channels * kernel.len() / channels.max(1)).max(1));
        let out = Parts::new(out);
        threads::split(rows, grain, &|rows| {
            for row in rows {
                let (image, plane, line) = (row / b.count / a.count, row / b.count % a.count, row % b.count);
                let plane = image * a.output + a.first + plane * a.every;
                let start = (plane * b.output + b.first + line * b.every) * c.output * channels;
                // SAFETY: each row of the output is computed once in a sweep.
                let to = unsafe { out.slice(start..start + c.output * channels) };
                T::vectorize(
                    #[inline(always)]
                    || self.row(row, x, kernel, to),
                );
                if let Some(finish) = finish {
                    finish(start / channels, 0, to);
                }
            }
        });
    }

    fn reads(&self, row: usize) -> Row {
        let [a, b, c] = self.axes;
        let (image, plane, line) = (row / b.count / a.count, row / b.count % a.count, row % b.count);
        let channels = self.g.filters;
        let mut reads = SmallVec::new();
        for (&(p, i), &(q, j)) in a.taps.iter().flat_map(|p| b.taps.iter().map(move |q| (p, q))) {
            if let (Some(p), Some(q)) = (a.at(plane, p), b.at(line, q)) {
                let from = ((image * a.input + p) * b.input + q) * c.input * channels;
                reads.push((from, (i * self.g.axes[1].size + j) * self.g.axes[2].size * channels));
            }
        }
        let first = ((-c.low()).max(0) as usize).div_ceil(c.step);
        let room = c.input as isize - c.low() - c.span() as isize;
        let end = if room < 0 { 0 } else { room as usize / c.step + 1 };
        let end = end.min(c.count);
        Row { reads, inside: first.min(end)..end }
    }

    #[inline(always)]
    fn row<T: Float>(&self, row: usize, x: &[T], kernel: &[T], out: &mut [T]) {
        let reads = self.reads(row);
        let channels = self.g.filters;
        let whole = channels / LANES * LANES;
        for c in (0..whole).step_by(LANES) {
            self.columns::<T, LANES>(&reads, x, kernel, out, c);
        }
        let mut c = whole;
        while c + 4 <= channels {
            self.columns::<T, 4>(&reads, x, kernel, out, c);
            c += 4;
        }
        for c in c..channels {
            self.columns::<T, 1>(&reads, x, kernel, out, c);
        }
    }

    /// The outputs of a row for `L` channels from `c` on.
    #[inline(always)]
    fn columns<T: Float, const L: usize>(&self, row: &Row, x: &[T], kernel: &[T], out: &mut [T], c: usize) {
        let along = &self.axes[2];
        let mut t = 0;
        while t < along.count {
            if row.inside.contains(&t) && t + TILE <= row.inside.end {
                self.outputs::<T, L, TILE>(row, x, kernel, out, c, t, &along.taps);
                t += TILE;
            } else {
                let taps: SmallVec<[(isize, usize); 8]> =
                    along.taps.iter().copied().filter(|&(offset, _)| along.at(t, offset).is_some()).collect();
                self.outputs::<T, L, 1>(row, x, kernel, out, c, t, &taps);
                t += 1;
            }
        }
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn outputs<T: Float, const L: usize, const N: usize>(
        &self,
        row: &Row,
        x: &[T],
        kernel: &[T],
        out: &mut [T],
        c: usize,
        t: usize,
        taps: &[(isize, usize)],
    ) {
        let (along, channels) = (&self.axes[2], self.g.filters);
        let mut sums = [[T::ZERO; L]; N];
        for &(from, k) in &row.reads {
            for &(offset, tap) in taps {
                let weights = array::<T, L>(kernel, k + tap * channels + c);
                let at = (t * along.step) as isize + offset;
                for (n, sums) in sums.iter_mut().enumerate() {
                    add_product(sums, array(x, from + (at as usize + n * along.step) * channels + c), weights);
                }
            }
        }
        for (n, sums) in sums.iter().enumerate() {
            let at = (along.first + (t + n) * along.every) * channels + c;
            out[at..at + L].copy_from_slice(sums);
        }
    }

    /// Adds what one row of dy says of the kernel's gradient.
    #[inline(always)]
    fn add_kernel_grad<T: Float>(&self, row: usize, x: &[T], dy: &[T], dw: &mut [T]) {
        let reads = self.reads(row);
        let channels = self.g.filters;
        let dy = &dy[row * self.axes[2].count * channels..];
        let whole = channels / LANES * LANES;
        for c in (0..whole).step_by(LANES) {
            self.add_columns::<T, LANES>(&reads, x, dy, dw, c);
        }
        for c in whole..channels {
            self.add_columns::<T, 1>(&reads, x, dy, dw, c);
        }
    }

    #[inline(always)]
    fn add_columns<T: Float, const L: usize>(&self, row: &Row, x: &[T], dy: &[T], dw: &mut [T], c: usize) {
        let along = &self.axes[2];
        for &(from, k) in &row.reads {
            for taps in along.taps.chunks(3) {
                match *taps {
                    [a, b, d] => self.add_taps::<T, L, 3>(row, x, dy, dw, c, from, k, [a, b, d]),
                    [a, b] => self.add_taps::<T, L, 2>(row, x, dy, dw, c, from, k, [a, b]),
                    _ => self.add_taps::<T, L, 1>(row, x, dy, dw, c, from, k, [taps[0]]),
                }
            }
        }
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn add_taps<T: Float, const L: usize, const N: usize>(
        &self,
        row: &Row,
        x: &[T],
        dy: &[T],
        dw: &mut [T],
        c: usize,
        from: usize,
        k: usize,
        taps: [(isize, usize); N],
    ) {
        let (along, channels) = (&self.axes[2], self.g.filters);
        let mut sums = [[T::ZERO; L]; N];
        for t in row.inside.clone() {
            for (sum, (offset, _)) in sums.iter_mut().zip(taps) {
                let at = ((t * along.step) as isize + offset) as usize;
                add_product(sum, array(x, from + at * channels + c), array(dy, t * channels + c));
            }
        }
        for t in (0..row.inside.start).chain(row.inside.end..along.count) {
            for (sum, (offset, _)) in sums.iter_mut().zip(taps) {
                if let Some(at) = along.at(t, offset) {
                    add_product(sum, array(x, from + at * channels + c), array(dy, t * channels + c));
                }
            }
        }
        for (sums, (_, tap)) in sums.iter().zip(taps) {
            let at = k + tap * channels + c;
            dw[at..at + L].iter_mut().zip(sums).for_each(|(dw, &sum)| *dw += sum);
        }
    }
}

#[inline(always)]
fn add_product<T: Float, const L: usize>(sums: &mut [T; L], a: &[T; L], b: &[T; L]) {
    sums.iter_mut().zip(a).zip(b).for_each(|((sum, &a), &b)| *sum = a.mul_add(b, *sum));
}

/// `L` elements from `at` on.
#[inline(always)]
fn array<T, const L: usize>(from: &[T], at: usize) -> &[T; L] {
    match from[at..at + L].try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("a slice of L elements is an array of them"),
    }
}
