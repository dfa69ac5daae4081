//! What the convolutions are tested on.

use super::{Conv, ConvKernelGrad, ConvTranspose};
use crate::ops::Activation;
use crate::ops::window::{Padding, SPATIAL, Window};
use crate::tensor::{Case, Sample};

/// What the three are tested on: the sizes of an input and a kernel.
#[derive(Clone, Copy)]
pub struct Sizes {
    batch: usize,
    extents: &'static [usize],
    channels: usize,
    filters: usize,
    size: &'static [usize],
    stride: usize,
    dilation: usize,
    padding: Padding,
    groups: usize,
}

impl Sizes {
    /// A window that moves by one, and no groups.
    pub const fn new(
        batch: usize,
        extents: &'static [usize],
        channels: usize,
        size: &'static [usize],
        filters: usize,
    ) -> Sizes {
        Sizes { batch, extents, channels, filters, size, stride: 1, dilation: 1, padding: Padding::Valid, groups: 1 }
    }

    pub const fn padding(self, padding: Padding) -> Sizes {
        Sizes { padding, ..self }
    }

    pub const fn stride(self, stride: usize) -> Sizes {
        Sizes { stride, ..self }
    }

    pub const fn dilation(self, dilation: usize) -> Sizes {
        Sizes { dilation, ..self }
    }

    pub const fn groups(self, groups: usize) -> Sizes {
        Sizes { groups, ..self }
    }

    /// Cases are written by hand, so their windows are valid.
    #[allow(clippy::expect_used)]
    fn window(&self) -> Window {
        let all = |n| vec![n; self.extents.len()];
        Window::new(self.extents, self.size, &all(self.stride), &all(self.dilation), self.padding)
            .expect("a case's window is valid")
    }

    fn x(&self) -> Sample {
        Sample::new([&[self.batch], self.extents, &[self.channels]].concat())
    }

    fn kernel(&self) -> Sample {
        Sample::within([self.size, &[self.channels / self.groups, self.filters]].concat(), -0.5..0.5)
    }

    fn y(&self) -> Sample {
        let window = self.window();
        let steps: Vec<usize> = window.slides().iter().zip(self.extents).map(|(s, &n)| s.steps(n)).collect();
        Sample::new([&[self.batch], &steps[..], &[self.filters]].concat())
    }

    pub fn conv(&self, bias: bool, activation: Activation) -> Case {
        // A half that is rounded near ±1 says little of a slope that is nearly 0 there.
        let x = if activation == Activation::Linear { self.x() } else { Sample { range: -0.4..0.4, ..self.x() } };
        let inputs = [Some(x), Some(self.kernel()), bias.then(|| Sample::new(self.filters))];
        Case::new(Conv { window: self.window(), groups: self.groups, activation }, inputs.into_iter().flatten())
            .shown(1)
    }

    pub fn transpose(&self) -> Case {
        let mut extents = [1; SPATIAL];
        extents[SPATIAL - self.extents.len()..].copy_from_slice(self.extents);
        Case::new(ConvTranspose { window: self.window(), groups: self.groups, extents }, [self.y(), self.kernel()])
    }

    pub fn kernel_grad(&self) -> Case {
        Case::new(ConvKernelGrad { window: self.window(), groups: self.groups }, [self.x(), self.y()])
    }
}

/// Each of them with each kind of window.
pub const CASES: &[Sizes] = &[
    Sizes::new(2, &[5, 7], 3, &[3, 3], 4),
    Sizes::new(1, &[4, 5], 1, &[1, 1], 1),
    Sizes::new(3, &[6, 5], 5, &[1, 1], 7).stride(2),
    Sizes::new(2, &[7, 6], 3, &[3, 3], 5).padding(Padding::Same),
    Sizes::new(2, &[9, 8], 2, &[3, 2], 5).padding(Padding::Same).stride(2),
    Sizes::new(1, &[8, 9], 2, &[3, 3], 3).padding(Padding::Same).dilation(2),
    Sizes::new(2, &[9, 11], 3, &[2, 3], 3).dilation(3),
    Sizes::new(1, &[3, 2], 2, &[5, 4], 3).padding(Padding::Same),
    Sizes::new(2, &[8, 7], 3, &[2, 2], 2).stride(3),
    Sizes::new(2, &[6, 6], 6, &[3, 3], 9).groups(3),
    Sizes::new(2, &[7, 5], 5, &[3, 3], 5).groups(5).padding(Padding::Same),
    Sizes::new(2, &[7, 9], 4, &[3, 3], 8).groups(4).stride(2),
    Sizes::new(0, &[5, 5], 3, &[3, 3], 4),
    Sizes::new(2, &[13], 3, &[3], 5).padding(Padding::Causal).dilation(2),
    Sizes::new(3, &[11], 7, &[5], 3).stride(2),
    Sizes::new(2, &[4, 5, 3], 2, &[2, 3, 2], 3).padding(Padding::Same),
    Sizes::new(1, &[5, 4, 6], 3, &[3, 2, 3], 2).stride(2),
    Sizes::new(2, &[15, 17], 35, &[3, 3], 33),
    Sizes::new(1, &[16, 16], 32, &[3, 3], 64).padding(Padding::Same),
    // Channels that a card reads 16 bytes of at once, in tiles that are not full.
    Sizes::new(2, &[15, 13], 24, &[3, 3], 40).padding(Padding::Same).stride(2),
    Sizes::new(2, &[13, 12], 32, &[3, 3], 16).groups(2),
    Sizes::new(1, &[12, 9], 8, &[3, 3], 72).padding(Padding::Same).stride(2).dilation(2),
    Sizes::new(3, &[97], 16, &[5], 48).padding(Padding::Causal).dilation(3).stride(2),
    Sizes::new(2, &[9, 9], 128, &[3, 3], 128).groups(128).padding(Padding::Same),
    Sizes::new(2, &[9, 8], 8, &[4, 4], 8).groups(8).stride(3),
    Sizes::new(1, &[7, 9], 2, &[3, 3], 16).groups(2).padding(Padding::Same),
    Sizes::new(2, &[6, 5], 8, &[1, 1], 24),
];
