//! Which input elements an output along one axis is made of.

use super::Axis;
use smallvec::SmallVec;

/// Outputs along one axis as sums over taps: the output `first + t · every` sees the input at `t · step + offset` of each tap.
#[derive(Clone, Debug)]
pub struct Along {
    /// Elements of the input.
    pub input: usize,
    /// Elements of the output.
    pub output: usize,
    /// The first output that is computed.
    pub first: usize,
    /// From one output that is computed to the next.
    pub every: usize,
    /// How many are computed.
    pub count: usize,
    /// Input elements from one of them to the next.
    pub step: usize,
    /// The offsets, ascending, and the element of the kernel that each is multiplied by.
    pub taps: SmallVec<[(isize, usize); 8]>,
}

impl Along {
    /// A convolution: output t sees the input at t · stride + k · dilation − before.
    pub fn forward(axis: &Axis) -> Along {
        let Axis { input, output, size, stride, dilation, before } = *axis;
        let taps = (0..size).map(|k| ((k * dilation) as isize - before as isize, k)).collect();
        Along { input, output, first: 0, every: 1, count: output, step: stride, taps }
    }

    /// The gradient of a convolution's input, for those inputs that are `phase` modulo the stride: they see the output's
    /// gradient through the elements k of the kernel for which (phase + before − k · dilation) is a multiple of it.
    pub fn backward(axis: &Axis, phase: usize) -> Along {
        let Axis { input, output, size, stride, dilation, before } = *axis;
        let distance = |k: usize| (phase + before) as isize - (k * dilation) as isize;
        let taps = (0..size).rev().filter(|&k| distance(k) % stride as isize == 0);
        let taps = taps.map(|k| (distance(k) / stride as isize, k)).collect();
        let count = input.saturating_sub(phase).div_ceil(stride);
        Along { input: output, output: input, first: phase, every: stride, count, step: 1, taps }
    }

    /// The least offset.
    pub fn low(&self) -> isize {
        self.taps.first().map_or(0, |tap| tap.0)
    }

    /// From the first tap to the last, both counted.
    pub fn span(&self) -> usize {
        self.taps.last().map_or(0, |tap| (tap.0 - self.low()) as usize + 1)
    }

    /// Whether every tap of every output lies in the input.
    pub fn is_inside(&self) -> bool {
        let end = self.low() + (self.count.saturating_sub(1) * self.step + self.span()) as isize;
        self.low() >= 0 && end <= self.input as isize
    }

    /// Whether the taps lie side by side.
    pub fn is_run(&self) -> bool {
        self.span() == self.taps.len()
    }

    /// The input's element that a tap of output `t` sees, if it is inside.
    #[inline(always)]
    pub fn at(&self, t: usize, offset: isize) -> Option<usize> {
        usize::try_from((t * self.step) as isize + offset).ok().filter(|&i| i < self.input)
    }
}
