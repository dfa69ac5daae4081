//! Convolutions on the CPU: dense ones as products that read their input where it lies (`correlate.rs`, `kernel_grad.rs`),
//! depthwise ones directly (`depthwise.rs`), those of few filters as one product for all elements of the kernel (`few.rs`), and
//! those of one element as plain products.

mod along;
mod band;
mod correlate;
mod depthwise;
mod few;
mod kernel_grad;
#[cfg(test)]
mod tests;
mod winograd;
mod winograd_grad;

use super::Float;
use super::gemm::{Finish, View, gemm};
use crate::error::Result;
use along::Along;
use correlate::Correlation;
use few::Few;

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

impl Geometry {
    /// Multiplications with their additions, those with the zeros around the input among them.
    pub fn products(&self) -> usize {
        let spatial: usize = self.axes.iter().map(|a| a.output * a.size).product();
        self.batch * spatial * (self.channels / self.groups.max(1)) * self.filters
    }

    /// Rows and columns of the matrix that each element of the kernel is, in one group.
    fn group(&self) -> (usize, usize) {
        (self.channels / self.groups, self.filters / self.groups)
    }

    /// Whether each output sees one element, so that the whole is a product of matrices: of how many rows.
    fn is_product(&self) -> Option<usize> {
        let plain = |a: &Axis| a.size == 1 && a.stride == 1 && a.before == 0 && a.input == a.output;
        let pixels = self.batch * self.axes.iter().map(|a| a.output).product::<usize>();
        (self.groups == 1 && self.axes.iter().all(plain)).then_some(pixels)
    }

    fn is_depthwise(&self) -> bool {
        self.groups == self.channels && self.groups > 1
    }

    /// The convolution of one group.
    fn forward(&self, group: usize) -> Correlation {
        let (depth, width) = self.group();
        Correlation {
            batch: self.batch,
            axes: self.axes.each_ref().map(Along::forward),
            sizes: self.sizes(),
            from: (self.channels, group * depth..(group + 1) * depth),
            to: (self.filters, group * width..(group + 1) * width),
        }
    }

    /// The phases of the stride that inputs have.
    fn phases(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        positions(self.axes.map(|a| a.stride.min(a.input)))
    }

    fn sizes(&self) -> [usize; 3] {
        self.axes.map(|a| a.size)
    }
}

/// `out = x * kernel`, then `finish` over the rows of `out`.
///
/// # Errors
/// No memory for the packed kernel.
pub fn forward<T: Float>(g: &Geometry, x: &[T], kernel: &[T], out: &mut [T], finish: Option<Finish<T>>) -> Result<()> {
    if g.filters == 0 {
        return Ok(());
    }
    let (depth, width) = g.group();
    if let Some(rows) = g.is_product() {
        let (x, kernel) = (View::new(x, g.channels, false), View::new(kernel, g.filters, false));
        return gemm([rows, g.filters, g.channels], x, kernel, out, false, finish);
    }
    if g.is_depthwise() {
        return depthwise::forward(g, x, kernel, out, finish);
    }
    if let Some(few) = Few::of::<T>(g) {
        return few.forward(x, kernel, out, finish);
    }
    for group in 0..g.groups {
        let matrix = |k: usize| View::new(&kernel[k * depth * g.filters + group * width..], g.filters, false);
        g.forward(group).run(x, &matrix, out, finish)?;
    }
    Ok(())
}

/// `dx`, the gradient of the input.
///
/// # Errors
/// As for [`forward`].
pub fn input_grad<T: Float>(g: &Geometry, dy: &[T], kernel: &[T], dx: &mut [T]) -> Result<()> {
    if g.filters == 0 {
        dx.fill(T::ZERO);
        return Ok(());
    }
    let (depth, width) = g.group();
    if let Some(rows) = g.is_product() {
        let (dy, kernel) = (View::new(dy, g.filters, false), View::new(kernel, g.filters, true));
        return gemm([rows, g.channels, g.filters], dy, kernel, dx, false, None);
    }
    if g.is_depthwise() {
        return depthwise::input_grad(g, dy, kernel, dx);
    }
    for group in 0..g.groups {
        for (i, j, k) in g.phases() {
            let [a, b, c] = &g.axes;
            let correlation = Correlation {
                batch: g.batch,
                axes: [Along::backward(a, i), Along::backward(b, j), Along::backward(c, k)],
                sizes: g.sizes(),
                from: (g.filters, group * width..(group + 1) * width),
                to: (g.channels, group * depth..(group + 1) * depth),
            };
            let matrix = |k: usize| View::new(&kernel[k * depth * g.filters + group * width..], g.filters, true);
            correlation.run(dy, &matrix, dx, None)?;
        }
    }
    Ok(())
}

/// `dw`, the gradient of the kernel.
///
/// # Errors
/// As for [`forward`].
pub fn kernel_grad<T: Float>(g: &Geometry, x: &[T], dy: &[T], dw: &mut [T]) -> Result<()> {
    if g.filters == 0 {
        return Ok(());
    }
    if let Some(rows) = g.is_product() {
        let (x, dy) = (View::new(x, g.channels, true), View::new(dy, g.filters, false));
        return gemm([g.channels, g.filters, rows], x, dy, dw, false, None);
    }
    if g.is_depthwise() {
        return depthwise::kernel_grad(g, x, dy, dw);
    }
    if let Some(few) = Few::of::<T>(g) {
        return few.kernel_grad(x, dy, dw);
    }
    for group in 0..g.groups {
        g.forward(group).kernel_grad(x, dy, dw)?;
    }
    Ok(())
}

/// All positions in a box of these extents.
fn positions([a, b, c]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
}
