//! Softmax and the cross-entropies.

mod common;

use common::{Group, Work, below, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::{Device, GradientTape, Result, Tensor};

/// Runs `loss` forward and backward.
fn both(x: &Tensor, loss: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Vec<Option<Tensor>>> {
    let tape = GradientTape::new();
    let x = tape.watch(x)?;
    let loss = loss(&x)?;
    tape.gradient(&loss, &[&x])
}

fn softmax(c: &mut Criterion) {
    let mut group = Group::new(c, "softmax");
    for device in devices() {
        for shape in [[1 << 12, 1 << 12], [1 << 20, 10], [1 << 10, 1 << 15], [128, 10]] {
            measure(&mut group, device, shape);
        }
        let x = normal(device, &[64, 512, 64]);
        group.bench(device, "softmax_middle_axis", Work::Bytes(2 * x.size_in_bytes()), || x.softmax(1));
    }
}

fn measure(group: &mut Group, device: &Device, shape: [usize; 2]) {
    let [rows, classes] = shape;
    let x = normal(device, &shape);
    let bytes = x.size_in_bytes();
    let id = |name: &str| format!("{name}_{rows}x{classes}");
    group.bench(device, &id("softmax"), Work::Bytes(2 * bytes), || x.softmax(-1));
    group.bench(device, &id("log_softmax"), Work::Bytes(2 * bytes), || x.log_softmax(-1));
    let labels = below(device, &[rows], classes);
    // The forward reads x; the backward reads x and writes its gradient.
    let both_ways = Work::Bytes(3 * bytes);
    group.bench(device, &id("sparse_cross_entropy"), both_ways, || {
        both(&x, |x| x.sparse_softmax_cross_entropy(&labels))
    });
    let targets = labels.one_hot(classes, x.dtype()).expect("targets");
    let both_ways = Work::Bytes(5 * bytes);
    group.bench(device, &id("cross_entropy"), both_ways, || both(&x, |x| x.softmax_cross_entropy(&targets)));
    group.bench(device, &id("sigmoid_cross_entropy"), both_ways, || both(&x, |x| x.sigmoid_cross_entropy(&targets)));
}

criterion_group!(benches, softmax);
criterion_main!(benches);
