//! Batch normalisation and poolings of feature maps.
//!
//! All of these wait for memory, so their floor is bytes / bandwidth. Batch normalisation of n bytes reads them for mean and
//! variance, reads them again and writes as many: 3 n forward. Its backward reads x and dy for the gradients of γ and β, and
//! reads both again and writes dx: 5 n. For a map of (32, 32, 32, 64) f32, 8 MiB, that is 25 and 67 MB in all: 0.4 and 1.1 ms at
//! 60 GB/s, 8 and 20 µs at 3.3 TB/s, if nothing stays in a cache. What normalises by given statistics moves 2 n.
//!
//! Layer normalisation of n bytes reads and writes them once, and backwards reads x and dy and writes dx: 2 n and 3 n, where a
//! row stays in a cache. With the residual added it is 4 n and, if a gradient flows into the sum too, 4 n.
//!
//! Pooling by windows of 2 × 2 reads n and writes n / 4, and for the largest element a byte for each; its backward reads n / 4
//! (and those bytes) and writes n.

mod common;

use common::{Group, Work, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::ops::{Padding, Window};
use uncrumple::{DType, GradientTape, Result, Tensor};

/// The gradient of x for `f`, with the gradients that it has for all its inputs.
fn both(x: &Tensor, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<Option<Tensor>>> {
    all([x], |[x]| f(x))
}

/// The gradients of all inputs of `f`.
fn all<const N: usize>(
    inputs: [&Tensor; N],
    f: impl Fn([&Tensor; N]) -> Result<Tensor>,
) -> Result<Vec<Option<Tensor>>> {
    let tape = GradientTape::new();
    let inputs = inputs.map(|x| tape.watch(x).expect("no other tape watches it"));
    let inputs = inputs.each_ref();
    tape.gradient(&f(inputs)?, &inputs)
}

fn normalization(c: &mut Criterion) {
    let mut group = Group::new(c, "normalization");
    for device in devices() {
        for shape in [[32, 32, 32, 64], [32, 16, 16, 128], [128, 32, 32, 16]] {
            let x = normal(device, &shape);
            let (n, channels) = (x.size_in_bytes(), shape[3]);
            let vector = |value| Tensor::full(device, channels, DType::F32, value).expect("a vector");
            let (mean, variance, gamma, beta) = (vector(0.1), vector(1.1), vector(1.5), vector(0.5));
            let id = |name: &str| format!("{name}_{}x{}x{}x{}", shape[0], shape[1], shape[2], shape[3]);
            let norm = |x: &Tensor| Ok(x.batch_norm(Some(&gamma), Some(&beta), 1e-3)?.0);
            group.bench(device, &id("batch_norm"), Work::Bytes(3 * n), || norm(&x));
            // The gradient of the output is a vector of ones, which is made: one more n.
            group.bench(device, &id("batch_norm_and_back"), Work::Bytes(9 * n), || both(&x, norm));
            group.bench(device, &id("normalize_channels"), Work::Bytes(2 * n), || {
                x.normalize_channels(&mean, &variance, Some(&gamma), Some(&beta), 1e-3)
            });
            for (name, size) in [("2x2", 2), ("3x3", 3)] {
                let window = Window::new(&shape[1..3], &[size; 2], &[2; 2], &[1; 2], Padding::Same).expect("a window");
                let max = |x: &Tensor| x.max_pool(window);
                let average = |x: &Tensor| x.average_pool(window);
                group.bench(device, &id(&format!("max_pool_{name}")), Work::Bytes(n + n / 4 + n / 16), || max(&x));
                let back = Work::Bytes(n + n / 4 + n / 16 + (n / 4 + n / 4 + n / 16 + n));
                group.bench(device, &id(&format!("max_pool_{name}_and_back")), back, || both(&x, max));
                group.bench(device, &id(&format!("average_pool_{name}")), Work::Bytes(n + n / 4), || average(&x));
                let back = Work::Bytes(n + n / 4 + (n / 4 + n / 4 + n));
                group.bench(device, &id(&format!("average_pool_{name}_and_back")), back, || both(&x, average));
            }
        }
        for shape in [[6400, 256], [1024, 256]] {
            let (x, residual) = (normal(device, &shape), normal(device, &shape));
            let vector = |value| Tensor::full(device, shape[1], DType::F32, value).expect("a vector");
            let (n, gamma, beta) = (x.size_in_bytes(), vector(1.5), vector(0.5));
            let id = |name: &str| format!("{name}_{}x{}", shape[0], shape[1]);
            let norm = |[x, gamma, beta]: [&Tensor; 3]| x.layer_norm(Some(gamma), Some(beta), 1e-3);
            let inputs = [&x, &gamma, &beta];
            group.bench(device, &id("layer_norm"), Work::Bytes(2 * n), || norm(inputs));
            // The gradient of the output is made, as above.
            group.bench(device, &id("layer_norm_and_back"), Work::Bytes(6 * n), || all(inputs, norm));
            let add = |[x, residual, gamma, beta]: [&Tensor; 4]| {
                Ok(x.add_layer_norm(residual, Some(gamma), Some(beta), 1e-3)?.1)
            };
            let inputs = [&x, &residual, &gamma, &beta];
            group.bench(device, &id("add_layer_norm"), Work::Bytes(4 * n), || add(inputs));
            group.bench(device, &id("add_layer_norm_and_back"), Work::Bytes(8 * n), || all(inputs, add));
        }
    }
}

criterion_group!(benches, normalization);
criterion_main!(benches);
