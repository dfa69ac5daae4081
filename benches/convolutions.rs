//! Convolutions of the image programs, forward and both gradients, beside the product of matrices of the same sizes; depthwise
//! ones by the bytes that they move.

mod common;

use common::{Group, Work, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::ops::{Activation, Padding, Window};
use uncrumple::{Device, Result, Tensor};

/// A layer: batch, extent of the square image, channels, filters, extent of the square kernel, stride, padding.
type Layer = (usize, usize, usize, usize, usize, usize, Padding);

/// Those of `convnet`, then those of `resnet`.
const LAYERS: &[Layer] = &[
    (64, 28, 1, 64, 3, 1, Padding::Valid),
    (64, 13, 64, 128, 3, 1, Padding::Valid),
    (64, 5, 128, 256, 3, 1, Padding::Valid),
    (32, 32, 3, 32, 3, 1, Padding::Same),
    (32, 32, 32, 32, 3, 1, Padding::Same),
    (32, 32, 32, 64, 3, 2, Padding::Same),
    (32, 32, 32, 64, 1, 2, Padding::Same),
    (32, 16, 64, 64, 3, 1, Padding::Same),
    (32, 8, 128, 128, 3, 1, Padding::Same),
];

/// The depthwise halves of `separable-convnet`.
const DEPTHWISE: &[(usize, usize, usize)] = &[(32, 64, 3), (32, 62, 32), (32, 30, 64), (32, 28, 64), (32, 13, 128)];

struct Case {
    id: String,
    window: Window,
    groups: usize,
    x: Tensor,
    kernel: Tensor,
    dy: Tensor,
}

impl Case {
    fn new(device: &Device, layer: Layer, groups: usize) -> Result<Case> {
        let (batch, extent, channels, filters, size, stride, padding) = layer;
        let window = Window::new(&[extent; 2], &[size; 2], &[stride; 2], &[1; 2], padding)?;
        let steps = window.slides()[0].steps(extent);
        Ok(Case {
            id: format!("{batch}x{extent}x{extent}x{channels}_to_{filters}_by_{size}_stride_{stride}"),
            window,
            groups,
            x: normal(device, &[batch, extent, extent, channels]),
            kernel: normal(device, &[size, size, channels / groups, filters]),
            dy: normal(device, &[batch, steps, steps, filters]),
        })
    }

    /// Operations of the forward, and of each gradient.
    fn flops(&self) -> usize {
        2 * self.dy.shape().size() * self.kernel.shape().size() / self.dy.shape().last()
    }

    fn forward(&self) -> Result<Tensor> {
        self.x.conv(&self.kernel, None, self.window, self.groups, Activation::Linear)
    }

    fn dx(&self) -> Result<Tensor> {
        self.dy.conv_transpose(&self.kernel, self.window, self.groups, &self.x.shape()[1..3])
    }

    fn dw(&self) -> Result<Tensor> {
        self.x.conv_kernel_grad(&self.dy, self.window, self.groups)
    }
}

fn dense(c: &mut Criterion) {
    let mut group = Group::new(c, "conv");
    for device in devices() {
        for &layer in LAYERS {
            let case = Case::new(device, layer, 1).expect("a layer");
            let (work, id) = (Work::Flops(case.flops()), |what: &str| format!("{what}_{}", case.id));
            group.bench(device, &id("forward"), work, || case.forward());
            group.bench(device, &id("dx"), work, || case.dx());
            group.bench(device, &id("dw"), work, || case.dw());
            // What the product of a matrix of windows alone would take, were it there.
            let [m, k, n] = [case.dy.shape().rows(), case.kernel.shape().rows(), case.dy.shape().last()];
            let (a, b) = (normal(device, &[m, k]), normal(device, &[k, n]));
            group.bench(device, &id("product"), work, || a.matmul(&b));
        }
    }
}

fn depthwise(c: &mut Criterion) {
    let mut group = Group::new(c, "depthwise_conv");
    for device in devices() {
        for &(batch, extent, channels) in DEPTHWISE {
            let layer = (batch, extent, channels, channels, 3, 1, Padding::Valid);
            let case = Case::new(device, layer, channels).expect("a layer");
            let bytes = 4 * (case.x.shape().size() + case.dy.shape().size());
            let (work, id) = (Work::Bytes(bytes), |what: &str| format!("{what}_{}", case.id));
            group.bench(device, &id("forward"), work, || case.forward());
            group.bench(device, &id("dx"), work, || case.dx());
            group.bench(device, &id("dw"), work, || case.dw());
        }
    }
}

criterion_group!(benches, dense, depthwise);
criterion_main!(benches);
