//! Functions of one and of two tensors, element by element.

mod common;

use common::{Group, Work, devices, normal, uniform};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::ops::Activation;
use uncrumple::{DType, Device, GradientTape, Result, Tensor};

const N: usize = 1 << 24;

type One = fn(&Tensor) -> Result<Tensor>;
type Two = fn(&Tensor, &Tensor) -> Result<Tensor>;

fn unary(c: &mut Criterion) {
    let mut group = Group::new(c, "unary");
    let functions: [(&str, One); 11] = [
        ("relu", Tensor::relu),
        ("square", Tensor::square),
        ("sqrt", Tensor::sqrt),
        ("exp", Tensor::exp),
        ("log", Tensor::log),
        ("sigmoid", Tensor::sigmoid),
        ("tanh", Tensor::tanh),
        ("gelu", Tensor::gelu),
        ("softplus", Tensor::softplus),
        ("clip", |x| x.clip(0.5, 1.0)),
        ("rescale", |x| x.rescale(2.0, 1.0)),
    ];
    for device in devices() {
        let x = uniform(device, &[N], 0.1, 2.0);
        for (name, function) in functions {
            group.bench(device, name, Work::Bytes(8 * N), || function(&x));
        }
        let small = uniform(device, &[128, 512], 0.1, 2.0);
        group.bench(device, "relu_128x512", Work::Bytes(8 * 128 * 512), || small.relu());
    }
}

/// Forward and backward from a gradient of ones: one pass reads and writes, one writes the ones, one reads two tensors.
fn gradients(c: &mut Criterion) {
    let mut group = Group::new(c, "unary_with_gradient");
    let functions = [Activation::Relu, Activation::Sigmoid, Activation::Tanh, Activation::Gelu];
    for device in devices() {
        let x = normal(device, &[N]);
        for function in functions {
            group.bench(device, function.name(), Work::Bytes(24 * N), || {
                let tape = GradientTape::new();
                let x = tape.watch(&x)?;
                let y = function.call(&x)?;
                tape.gradient(&y, &[&x])
            });
        }
    }
}

fn binary(c: &mut Criterion) {
    let mut group = Group::new(c, "binary");
    let functions: [(&str, Two); 6] = [
        ("add", Tensor::add),
        ("multiply", Tensor::mul),
        ("divide", Tensor::div),
        ("maximum", Tensor::maximum),
        ("power", Tensor::pow),
        ("less", Tensor::less),
    ];
    for device in devices() {
        let (a, b) = (uniform(device, &[N], 0.1, 2.0), uniform(device, &[N], 0.1, 2.0));
        for (name, function) in functions {
            let bytes = if name == "less" { 9 } else { 12 };
            group.bench(device, name, Work::Bytes(bytes * N), || function(&a, &b));
        }
        broadcast(&mut group, device);
    }
}

fn broadcast(group: &mut Group, device: &Device) {
    let shapes: [(&str, &[usize], &[usize]); 5] = [
        ("add_row", &[1 << 12, 1 << 12], &[1 << 12]),
        ("add_column", &[1 << 12, 1 << 12], &[1 << 12, 1]),
        ("add_scalar", &[N], &[1]),
        ("add_short_row", &[1 << 20, 16], &[16]),
        ("add_middle", &[64, 64, 64, 64], &[64, 1, 64, 64]),
    ];
    for (name, a, b) in shapes {
        let (a, b) = (normal(device, a), normal(device, b));
        let bytes = 4 * (2 * N + b.shape().size());
        group.bench(device, name, Work::Bytes(bytes), || a.add(&b));
    }
}

/// One of two tensors by a condition; with its gradient, which reads the condition and that of the output, and writes two.
fn select(c: &mut Criterion) {
    let mut group = Group::new(c, "select");
    for device in devices() {
        let (a, b) = (normal(device, &[N]), normal(device, &[N]));
        let condition = a.less(&b).expect("a condition");
        group.bench(device, "forward", Work::Bytes(13 * N), || condition.select(&a, &b));
        group.bench(device, "with_gradient", Work::Bytes(30 * N), || {
            let tape = GradientTape::new();
            let (a, b) = (tape.watch(&a)?, tape.watch(&b)?);
            let y = condition.select(&a, &b)?;
            tape.gradient(&y, &[&a, &b])
        });
        let row = normal(device, &[1 << 12]);
        let square = condition.reshape([1 << 12, 1 << 12]).expect("a square");
        group.bench(device, "row_or_scalar", Work::Bytes(5 * N), || {
            square.select(&row, &Tensor::zeros(device, 1, DType::F32)?)
        });
    }
}

criterion_group!(benches, unary, gradients, binary, select);
criterion_main!(benches);
