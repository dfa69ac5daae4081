//! Batch normalisation and poolings of feature maps.
//!
//! All of these wait for memory, so their floor is bytes / bandwidth. Batch normalisation of n bytes reads them for mean and
//! variance, reads them again and writes as many: 3 n forward. Its backward reads x and dy for the gradients of γ and β, and
//! reads both again and writes dx: 5 n. For a map of (32, 32, 32, 64) f32, 8 MiB, that is 25 and 67 MB in all: 0.4 and 1.1 ms at
//! 60 GB/s, 8 and 20 µs at 3.3 TB/s, if nothing stays in a cache. What normalises by given statistics moves 2 n.
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
    let tape = GradientTape::new();
    let x = tape.watch(x)?;
    let y = f(&x)?;
    tape.gradient(&y, &[&x])
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
    }
}

criterion_group!(benches, normalization);
criterion_main!(benches);
