//! Depthwise convolutions: each channel has a kernel of its own, so they cost by the bytes that they move.
//!
//! Loops run over channels in vectors, and over a few outputs of a row at a time, whose sums stay in registers.

use super::Geometry;
use super::along::Along;
use crate::device::cpu::gemm::Finish;
use crate::device::cpu::simd::{Body, Lanes, Vector, load, store};
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::{Float, Scratch};
use crate::error::Result;
use smallvec::SmallVec;
use std::ops::Range;

/// Outputs of a row that are computed at once.
const WIDE: usize = 8;
const NARROW: usize = 4;
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
    let sweep = Sweep { g, axes: &axes };
    sweep.check(x, dw);
    let lines = axes[0].count * axes[1].count;
    threads::for_each(parts, &|part| {
        // SAFETY: each part has its own sums.
        let sums = unsafe { sums.slice(part * size..(part + 1) * size) };
        sums.fill(T::ZERO);
        let rows = part * g.batch / parts * lines..(part + 1) * g.batch / parts * lines;
        T::in_vectors(KernelGrad { sweep: &sweep, rows, x, dy, dw: sums });
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

/// A tap of a row of outputs that is inside the image across the row.
#[derive(Clone, Copy)]
struct Tap {
    /// What the row's first output reads of the input, which may be before the row.
    at: isize,
    /// The same along the row.
    offset: isize,
    /// Its element of the kernel.
    kernel: usize,
}

/// As many as windows of 8 × 8 have take no memory of their own.
type Taps = SmallVec<[Tap; 64]>;

impl Sweep<'_> {
    fn run<T: Float>(&self, x: &[T], kernel: &[T], out: &mut [T], finish: Option<Finish<T>>) {
        let [a, b, c] = self.axes;
        let channels = self.g.filters;
        let rows = self.g.batch * a.count * b.count;
        let grain = (1usize << 14).div_ceil((c.count * channels * kernel.len() / channels.max(1)).max(1));
        self.check(x, kernel);
        assert_eq!(out.len(), self.g.batch * a.output * b.output * c.output * channels);
        let out = Parts::new(out);
        threads::split(rows, grain, &|rows| {
            T::in_vectors(Outputs { sweep: self, rows, x, kernel, out: &out, finish });
        });
    }

    /// Asserts that the input and the kernel have the extents that the axes speak of.
    fn check<T>(&self, x: &[T], kernel: &[T]) {
        let size = |extents: [usize; 3]| extents.iter().product::<usize>() * self.g.filters;
        assert_eq!(x.len(), self.g.batch * size(self.axes.each_ref().map(|a| a.input)));
        assert_eq!(kernel.len(), size(self.g.sizes()));
    }

    fn position(&self, row: usize) -> [usize; 3] {
        let [_, b, _] = self.axes;
        let planes = self.axes[0].count;
        [row / b.count / planes, row / b.count % planes, row % b.count]
    }

    /// Puts the taps of a row of outputs into `taps`.
    fn taps(&self, row: usize, taps: &mut Taps) {
        let [a, b, c] = self.axes;
        let [image, plane, line] = self.position(row);
        let channels = self.g.filters;
        taps.clear();
        for (&(p, i), &(q, j)) in a.taps.iter().flat_map(|p| b.taps.iter().map(move |q| (p, q))) {
            if let (Some(p), Some(q)) = (a.at(plane, p), b.at(line, q)) {
                let from = ((image * a.input + p) * b.input + q) * c.input;
                taps.extend(c.taps.iter().map(|&(offset, k)| Tap {
                    at: (from as isize + offset) * channels as isize,
                    offset,
                    kernel: ((i * self.g.axes[1].size + j) * self.g.axes[2].size + k) * channels,
                }));
            }
        }
    }

    /// The outputs of a row for which all taps along it are inside.
    fn inside(&self) -> Range<usize> {
        let c = &self.axes[2];
        let first = ((-c.low()).max(0) as usize).div_ceil(c.step);
        let room = c.input as isize - c.low() - c.span() as isize;
        let end = if room < 0 { 0 } else { room as usize / c.step + 1 };
        let end = end.min(c.count);
        first.min(end)..end
    }
}

/// Some rows of outputs.
struct Outputs<'a, T> {
    sweep: &'a Sweep<'a>,
    rows: Range<usize>,
    x: &'a [T],
    kernel: &'a [T],
    out: &'a Parts<T>,
    finish: Option<Finish<'a, T>>,
}

impl<T: Float> Body<T> for Outputs<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        let [a, b, c] = self.sweep.axes;
        let (channels, inside) = (self.sweep.g.filters, self.sweep.inside());
        let mut taps = Taps::new();
        for row in self.rows.clone() {
            self.sweep.taps(row, &mut taps);
            let [image, plane, line] = self.sweep.position(row);
            let plane = image * a.output + a.first + plane * a.every;
            let start = (plane * b.output + b.first + line * b.every) * c.output * channels;
            // SAFETY: each row of the output is computed once in a sweep.
            let out = unsafe { self.out.slice(start..start + c.output * channels) };
            let mut t = 0;
            while t < c.count {
                let room = if inside.contains(&t) { inside.end - t } else { 0 };
                // SAFETY: as many outputs as there is room for have all their taps inside; the machine has the instructions by
                // the caller's promise.
                t += unsafe {
                    if room >= WIDE {
                        self.outputs::<V, WIDE, false>(&taps, t, out)
                    } else if room >= NARROW {
                        self.outputs::<V, NARROW, false>(&taps, t, out)
                    } else {
                        self.outputs::<V, 1, true>(&taps, t, out)
                    }
                };
            }
            if let Some(finish) = self.finish {
                finish(start / channels, 0, out);
            }
        }
    }
}

impl<T: Float> Outputs<'_, T> {
    /// `N` outputs of a row from `t` on, of one the taps that are inside alone where it is at the edge; returns `N`.
    ///
    /// # Safety
    /// All taps are inside for each output that is not at the edge, and the machine has V's instructions.
    #[inline(always)]
    unsafe fn outputs<V: Vector<T = T>, const N: usize, const EDGE: bool>(
        &self,
        taps: &[Tap],
        t: usize,
        out: &mut [T],
    ) -> usize {
        let (along, channels) = (&self.sweep.axes[2], self.sweep.g.filters);
        let (distance, every) = (along.step * channels, along.every * channels);
        let out = out[(along.first + t * along.every) * channels..][..(N - 1) * every + channels].as_mut_ptr();
        let (x, kernel) = (self.x.as_ptr(), self.kernel.as_ptr());
        for c in (0..channels).step_by(V::LANES) {
            let lanes = channels - c;
            // SAFETY: a tap's element of the kernel and, where the tap is inside, each output's element of the input have
            // `channels` channels in the slices that `Sweep::check` measured; `out` was cut above.
            unsafe {
                let mut sums = [V::splat(T::ZERO); N];
                for tap in taps {
                    if EDGE && along.at(t, tap.offset).is_none() {
                        continue;
                    }
                    let weights = load::<V>(kernel.add(tap.kernel + c), lanes);
                    let x = x.offset(tap.at + (t * distance + c) as isize);
                    for (n, sum) in sums.iter_mut().enumerate() {
                        *sum = load::<V>(x.add(n * distance), lanes).mul_add(weights, *sum);
                    }
                }
                for (n, sum) in sums.iter().enumerate() {
                    store(*sum, out.add(n * every + c), lanes);
                }
            }
        }
        N
    }
}

/// What some rows of dy say of the kernel's gradient, added to `dw`.
struct KernelGrad<'a, T> {
    sweep: &'a Sweep<'a>,
    rows: Range<usize>,
    x: &'a [T],
    dy: &'a [T],
    dw: &'a mut [T],
}

impl<T: Float> Body<T> for KernelGrad<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(mut self) {
        let (inside, mut all) = (self.sweep.inside(), Taps::new());
        for row in self.rows.clone() {
            self.sweep.taps(row, &mut all);
            let mut taps = &all[..];
            while !taps.is_empty() {
                // SAFETY: the machine has the instructions by the caller's promise.
                let done = unsafe {
                    match *taps {
                        [a, b, c, d, e, f, g, h, i, ..] => self.add::<V, 9>(row, [a, b, c, d, e, f, g, h, i], &inside),
                        [a, b, c, ..] => self.add::<V, 3>(row, [a, b, c], &inside),
                        _ => self.add::<V, 1>(row, [taps[0]], &inside),
                    }
                };
                taps = &taps[done..];
            }
        }
    }
}

impl<T: Float> KernelGrad<'_, T> {
    /// The sums for `N` taps over one row; returns `N`.
    ///
    /// # Safety
    /// The machine has V's instructions.
    #[inline(always)]
    unsafe fn add<V: Vector<T = T>, const N: usize>(
        &mut self,
        row: usize,
        taps: [Tap; N],
        inside: &Range<usize>,
    ) -> usize {
        let (along, channels) = (&self.sweep.axes[2], self.sweep.g.filters);
        let distance = along.step * channels;
        let dy = self.dy[row * along.count * channels..][..along.count * channels].as_ptr();
        let (x, dw) = (self.x.as_ptr(), self.dw.as_mut_ptr());
        for c in (0..channels).step_by(V::LANES) {
            let lanes = channels - c;
            // SAFETY: as in `Outputs::outputs`; outside of `inside` each tap is asked for.
            unsafe {
                let mut sums = [V::splat(T::ZERO); N];
                for t in inside.clone() {
                    let dy = load::<V>(dy.add(t * channels + c), lanes);
                    for (sum, tap) in sums.iter_mut().zip(&taps) {
                        let x = x.offset(tap.at + (t * distance + c) as isize);
                        *sum = load::<V>(x, lanes).mul_add(dy, *sum);
                    }
                }
                for t in (0..inside.start).chain(inside.end..along.count) {
                    let dy = load::<V>(dy.add(t * channels + c), lanes);
                    for (sum, tap) in sums.iter_mut().zip(&taps) {
                        if along.at(t, tap.offset).is_some() {
                            let x = x.offset(tap.at + (t * distance + c) as isize);
                            *sum = load::<V>(x, lanes).mul_add(dy, *sum);
                        }
                    }
                }
                for (sum, tap) in sums.iter().zip(&taps) {
                    let dw = dw.add(tap.kernel + c);
                    store(load::<V>(dw, lanes).add(*sum), dw, lanes);
                }
            }
        }
        N
    }
}
