//! Ops that only move elements, and casts.

mod common;

use common::{Group, Work, below, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::{DType, Tensor};

const N: usize = 1 << 24;

fn movement(c: &mut Criterion) {
    let mut group = Group::new(c, "movement");
    let both = Work::Bytes(8 * N);
    for device in devices() {
        let square = normal(device, &[1 << 12, 1 << 12]);
        group.bench(device, "transpose", both, || square.transpose(&[]));
        let odd = normal(device, &[4099, 4099]);
        group.bench(device, "transpose_4099x4099", Work::Bytes(2 * odd.size_in_bytes()), || odd.transpose(&[]));
        let heads = normal(device, &[64, 512, 8, 64]);
        group.bench(device, "transpose_heads", both, || heads.transpose(&[0, 2, 1, 3]));
        let images = normal(device, &[256, 32 * 32, 64]);
        group.bench(device, "transpose_channels", both, || images.transpose(&[0, 2, 1]));

        let (a, b) = (normal(device, &[1 << 12, 1 << 11]), normal(device, &[1 << 12, 1 << 11]));
        group.bench(device, "concatenate_rows", both, || Tensor::concatenate(&[&a, &b], 0));
        group.bench(device, "concatenate_columns", both, || Tensor::concatenate(&[&a, &b], 1));
        group.bench(device, "slice_rows", Work::Bytes(4 * N), || square.slice(0, 1024..3072));
        group.bench(device, "slice_columns", Work::Bytes(4 * N), || square.slice(1, 1024..3072));
        group.bench(device, "broadcast_to", Work::Bytes(4 * N), || {
            b.slice(1, 0..1)?.broadcast_to([1usize << 12, 1 << 12])
        });

        let (table, rows) = (normal(device, &[60_000, 784]), below(device, &[20_000], 60_000));
        group.bench(device, "gather_samples", Work::Bytes(8 * 20_000 * 784), || table.gather(&rows));
        let (table, words) = (normal(device, &[20_000, 128]), below(device, &[1 << 17], 20_000));
        group.bench(device, "gather_words", both, || table.gather(&words));
        // The gradient of an embedding: of long texts with wide vectors, and of a batch of 64 reviews with narrow ones.
        let dy = normal(device, &[1 << 17, 128]);
        group.bench(device, "gather_words_gradient", both, || dy.segment_sum(&words, 20_000));
        let (words, dy) = (below(device, &[64, 200], 20_000), normal(device, &[64, 200, 32]));
        let bytes = Work::Bytes(4 * 32 * (64 * 200 + 20_000));
        group.bench(device, "gather_reviews_gradient", bytes, || dy.segment_sum(&words, 20_000));
        let classes = below(device, &[1 << 20], 10);
        group.bench(device, "one_hot", Work::Bytes(44 << 20), || classes.one_hot(10, DType::F32));
    }
}

fn cast(c: &mut Criterion) {
    let mut group = Group::new(c, "cast");
    let pairs = [
        (DType::F32, DType::F16),
        (DType::F16, DType::F32),
        (DType::F32, DType::BF16),
        (DType::BF16, DType::F32),
        (DType::F32, DType::I32),
        (DType::I32, DType::F32),
        (DType::U8, DType::F32),
        (DType::F32, DType::U8),
        (DType::F32, DType::F64),
        (DType::I32, DType::I64),
        (DType::F32, DType::Bool),
    ];
    for device in devices() {
        for (from, to) in pairs {
            let x = below(device, &[N], 200).cast(from).expect("a tensor to cast");
            let work = Work::Bytes(N * (from.size() + to.size()));
            group.bench(device, &format!("{from}_to_{to}"), work, || x.cast(to));
        }
    }
}

criterion_group!(benches, movement, cast);
criterion_main!(benches);
