//! One step of each optimizer over the parameters of `dense-categorical`.

mod common;

use common::{Group, Work, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::optimizers::{Adam, AdamW, Optimizer, RMSprop, SGD, State};
use uncrumple::{Device, Result, Tensor};

const SHAPES: [&[usize]; 6] = [&[784, 512], &[512], &[512, 512], &[512], &[512, 10], &[10]];

fn optimizers(c: &mut Criterion) {
    let mut group = Group::new(c, "optimizers");
    let all: [(&str, Box<dyn Optimizer>); 6] = [
        ("sgd", SGD::new(1e-3).into()),
        ("sgd_momentum", SGD::new(1e-3).momentum(0.9).into()),
        ("rmsprop", RMSprop::new(1e-3).into()),
        ("adam", Adam::new(1e-3).into()),
        ("adam_amsgrad", Adam::new(1e-3).amsgrad(true).into()),
        ("adamw", AdamW::new(1e-3).into()),
    ];
    for device in devices() {
        for (name, optimizer) in &all {
            measure(&mut group, device, name, &**optimizer).expect("an optimizer to measure");
        }
    }
}

fn measure(group: &mut Group, device: &Device, name: &str, optimizer: &dyn Optimizer) -> Result<()> {
    let mut weights: Vec<Tensor> = SHAPES.iter().map(|shape| normal(device, shape)).collect();
    let gradients: Vec<Tensor> = SHAPES.iter().map(|shape| normal(device, shape)).collect();
    let places: Vec<usize> = (0..weights.len()).collect();
    let mut state = State::new(optimizer, &weights.iter().map(|w| ("w", w)).collect::<Vec<_>>())?;
    state.prepare(optimizer)?;
    let size: usize = weights.iter().map(Tensor::size_in_bytes).sum();
    // The gradient is read; the weight and the optimizer's numbers are read and written.
    let bytes = size * (3 + 2 * optimizer.slots().len());
    group.bench(device, name, Work::Bytes(bytes), || state.step(optimizer, &mut weights, &places, &gradients));
    Ok(())
}

criterion_group!(benches, optimizers);
criterion_main!(benches);
