//! Random numbers and dropout.

mod common;

use common::{Group, Work, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::DType;
use uncrumple::ops::Generator;

const N: usize = 1 << 22;

fn random(c: &mut Criterion) {
    let mut group = Group::new(c, "random");
    for device in devices() {
        let g = Generator::new(0, device).expect("a generator");
        group.bench(device, "uniform", Work::Bytes(4 * N), || g.uniform(N, DType::F32, -1.0, 1.0));
        group.bench(device, "normal", Work::Bytes(4 * N), || g.normal(N, DType::F32, 0.0, 1.0));
        group.bench(device, "truncated_normal", Work::Bytes(4 * N), || g.truncated_normal(N, DType::F32, 0.0, 1.0));
        let x = normal(device, &[N]);
        group.bench(device, "dropout", Work::Bytes(8 * N), || x.dropout(0.5, &g));
        let x = normal(device, &[128, 512]);
        group.bench(device, "dropout_128x512", Work::Bytes(8 * 128 * 512), || x.dropout(0.5, &g));
    }
}

criterion_group!(benches, random);
criterion_main!(benches);
