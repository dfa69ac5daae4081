//! Matrix products: cubes, the layers of the dense programs forward and backward, and the `gemm` crate beside ours.

mod common;

use common::{Group, Work, devices, measures, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use gemm_common::Parallelism;
use std::time::{Duration, Instant};
use uncrumple::device::cpu::gemm::{View, gemm};
use uncrumple::device::cpu::threads;
use uncrumple::ops::Activation;
use uncrumple::{Device, Result};

/// `(batch, inputs, outputs)` of layers: `dense-categorical`, then the first ones of `dense-binary` and
/// `dense-regression`.
const LAYERS: [[usize; 3]; 5] = [[128, 784, 512], [128, 512, 512], [128, 512, 10], [128, 64, 32], [16, 13, 64]];
const CUBES: [usize; 5] = [256, 384, 512, 768, 1024];

fn cubes(c: &mut Criterion) {
    let mut group = Group::new(c, "matmul");
    for device in devices() {
        for n in CUBES {
            let (a, b) = (normal(device, &[n, n]), normal(device, &[n, n]));
            group.bench(device, &n.to_string(), Work::Flops(2 * n * n * n), || a.matmul(&b));
        }
    }
}

fn layers(c: &mut Criterion) {
    let mut group = Group::new(c, "linear");
    for device in devices() {
        for [m, k, n] in LAYERS {
            let (x, w, b, dy) =
                (normal(device, &[m, k]), normal(device, &[k, n]), normal(device, &[n]), normal(device, &[m, n]));
            let flops = Work::Flops(2 * m * k * n);
            let id = |what: &str| format!("{what}_{m}x{k}x{n}");
            group.bench(device, &id("forward"), flops, || x.linear(&w, Some(&b), Activation::Relu));
            group.bench(device, &id("dx"), flops, || dy.matmul_with(&w, false, true));
            group.bench(device, &id("dw"), flops, || x.matmul_with(&dy, true, false));
        }
    }
}

/// The `gemm` crate at the same products, in turn with ours, and how the results differ.
fn against_the_gemm_crate(_: &mut Criterion) {
    let cubes = CUBES.map(|n| ([n, n, n], false, false));
    let layers =
        LAYERS.map(|[m, k, n]| [([m, n, k], false, false), ([m, k, n], false, true), ([k, n, m], true, false)]);
    for (extents, transpose_a, transpose_b) in cubes.into_iter().chain(layers.into_iter().flatten()) {
        compare(extents, transpose_a, transpose_b).expect("a product");
    }
}

fn compare([m, n, k]: [usize; 3], transpose_a: bool, transpose_b: bool) -> Result<()> {
    let (a, b) = (normal(&Device::Cpu, &[m * k]), normal(&Device::Cpu, &[k * n]));
    let (a, b) = (a.data::<f32>()?, b.data::<f32>()?);
    let (a_columns, b_columns) = (if transpose_a { m } else { k }, if transpose_b { k } else { n });
    let (mut ours, mut theirs) = (vec![0f32; m * n], vec![0f32; m * n]);
    let strides = |columns: usize, transposed| if transposed { (1, columns as isize) } else { (columns as isize, 1) };
    let ((a_row, a_column), (b_row, b_column)) = (strides(a_columns, transpose_a), strides(b_columns, transpose_b));
    let parallel = if m * n * k < 1 << 19 { Parallelism::None } else { Parallelism::Rayon(0) };
    let function = gemm_f32::gemm::f32::get_gemm_fn();
    let (mut best, mut best_theirs) = (f64::INFINITY, f64::INFINITY);
    let start = Instant::now();
    while best == f64::INFINITY || measures() && start.elapsed() < Duration::from_millis(300) {
        let call = Instant::now();
        let views = (View::new(a, a_columns, transpose_a), View::new(b, b_columns, transpose_b));
        threads::enter(|| gemm([m, n, k], views.0, views.1, &mut ours, false, None))?;
        best = best.min(call.elapsed().as_secs_f64());
        let call = Instant::now();
        // C = Cᵀ of the transposed product: the crate wants C's columns contiguous, ours are rows.
        // SAFETY: the pointers and strides are those of slices that hold m×k, k×n and m×n elements.
        threads::enter(|| unsafe {
            function(
                n,
                m,
                k,
                theirs.as_mut_ptr(),
                n as isize,
                1,
                false,
                b.as_ptr(),
                b_row,
                b_column,
                a.as_ptr(),
                a_row,
                a_column,
                0.0,
                1.0,
                false,
                false,
                false,
                parallel,
            );
        });
        best_theirs = best_theirs.min(call.elapsed().as_secs_f64());
    }
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!((ours - theirs).abs() <= 1e-5 * k as f32, "{m}×{n}×{k}: {ours}, the crate has {theirs}");
    }
    if measures() {
        let marks = [if transpose_a { "ᵀ" } else { "" }, if transpose_b { "ᵀ" } else { "" }];
        let rate = |seconds: f64| 2e-9 * (m * n * k) as f64 / seconds;
        let (rate, theirs) = (rate(best), rate(best_theirs));
        let product = format!("A{} {m}×{k} · B{} {k}×{n}", marks[0], marks[1]);
        println!("{product:<32} ours {rate:>7.1} GFLOP/s, gemm crate {theirs:>7.1}: {:.2} times", rate / theirs);
    }
    Ok(())
}

criterion_group!(benches, cubes, layers, against_the_gemm_crate);
criterion_main!(benches);
