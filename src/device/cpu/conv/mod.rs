//! Convolutions on the CPU.

use super::Float;
use super::gemm::Finish;
use crate::error::Result;

/// The movement of a convolution's window along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Elements of the input.
    pub input: usize,
    /// Elements of the output.
    pub output: usize,
    /// Elements of the kernel.
    pub size: usize,
    /// How far the window moves.
    pub stride: usize,
    /// The distance of the elements that it sees.
    pub dilation: usize,
    /// Zeros before the input.
    pub before: usize,
}

/// The sizes of a convolution over three axes: input (batch, …, channels), kernel (…, channels / groups, filters), output
/// (batch, …, filters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Images.
    pub batch: usize,
    /// The spatial axes.
    pub axes: [Axis; 3],
    /// Channels of the input.
    pub channels: usize,
    /// Channels of the output.
    pub filters: usize,
    /// Parts into which channels and filters are cut; each part of the filters sees one of the channels.
    pub groups: usize,
}

impl Axis {
    /// The input's element that element `k` of the kernel sees at `step`, if it is inside.
    #[inline(always)]
    fn at(&self, step: usize, k: usize) -> Option<usize> {
        (step * self.stride + k * self.dilation).checked_sub(self.before).filter(|&i| i < self.input)
    }
}

impl Geometry {
    /// Multiplications with their additions, those with the zeros around the input among them.
    pub fn products(&self) -> usize {
        let spatial: usize = self.axes.iter().map(|a| a.output * a.size).product();
        self.batch * spatial * (self.channels / self.groups.max(1)) * self.filters
    }

    /// Calls `f(output position, kernel position, input position)` for all that meet, positions counted over batch and space.
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        let [a, b, c] = &self.axes;
        for n in 0..self.batch {
            for (i, j, k) in positions([a.output, b.output, c.output]) {
                let y = ((n * a.output + i) * b.output + j) * c.output + k;
                for (p, q, r) in positions([a.size, b.size, c.size]) {
                    if let (Some(u), Some(v), Some(w)) = (a.at(i, p), b.at(j, q), c.at(k, r)) {
                        f(y, (p * b.size + q) * c.size + r, ((n * a.input + u) * b.input + v) * c.input + w);
                    }
                }
            }
        }
    }
}

fn positions([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}

/// `out = x * kernel`, then `finish` over the rows of `out`.
pub fn forward<T: Float>(g: &Geometry, x: &[T], kernel: &[T], out: &mut [T], finish: Option<Finish<T>>) -> Result<()> {
    let (depth, width) = (g.channels / g.groups, g.filters / g.groups);
    out.fill(T::ZERO);
    g.each(|y, k, i| {
        for f in 0..g.filters {
            let from = &x[i * g.channels + f / width * depth..][..depth];
            for (c, &x) in from.iter().enumerate() {
                out[y * g.filters + f] += x * kernel[(k * depth + c) * g.filters + f];
            }
        }
    });
    if let Some(finish) = finish {
        out.chunks_mut(g.filters.max(1)).enumerate().for_each(|(row, out)| finish(row, 0, out));
    }
    Ok(())
}

/// `dx`, the gradient of the input.
pub fn input_grad<T: Float>(g: &Geometry, dy: &[T], kernel: &[T], dx: &mut [T]) -> Result<()> {
    let (depth, width) = (g.channels / g.groups, g.filters / g.groups);
    dx.fill(T::ZERO);
    g.each(|y, k, i| {
        for f in 0..g.filters {
            for c in 0..depth {
                dx[i * g.channels + f / width * depth + c] +=
                    dy[y * g.filters + f] * kernel[(k * depth + c) * g.filters + f];
            }
        }
    });
    Ok(())
}

/// `dw`, the gradient of the kernel.
pub fn kernel_grad<T: Float>(g: &Geometry, x: &[T], dy: &[T], dw: &mut [T]) -> Result<()> {
    let (depth, width) = (g.channels / g.groups, g.filters / g.groups);
    dw.fill(T::ZERO);
    g.each(|y, k, i| {
        for f in 0..g.filters {
            for c in 0..depth {
                dw[(k * depth + c) * g.filters + f] +=
                    dy[y * g.filters + f] * x[i * g.channels + f / width * depth + c];
            }
        }
    });
    Ok(())
}
