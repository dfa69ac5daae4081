//! Whole training steps, forward, backward and optimizer: of the named programs, and of two stacks of convolutions of the same
//! widths, separable and not.

mod common;

use common::{Group, Work, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::prelude::*;
use uncrumple::programs::{self, Program};

fn steps(c: &mut Criterion) {
    let mut group = Group::new(c, "steps");
    for device in devices() {
        for program in programs::ALL {
            measure(&mut group, device, program).expect("a program to measure");
        }
    }
}

fn measure(group: &mut Group, device: &Device, program: &Program) -> Result<()> {
    let size = if device.is_cpu() { program.batch.0 } else { program.batch.1 };
    let mut trainer = program.compile(program.model()?.on(device.clone()), ())?;
    let batch = program.data(size, 0)?.to_device(device)?;
    group.bench(device, program.name, Work::Step, || trainer.train_on_batch(&batch));
    Ok(())
}

/// 32 images of 32 × 32 pixels through four convolutions of 3 × 3 with 64, 64, 128 and 128 filters.
fn stacks(c: &mut Criterion) {
    let mut group = Group::new(c, "stacks");
    const FILTERS: [usize; 4] = [64, 64, 128, 128];
    let input = || Sequential::new([32, 32, 32]);
    for device in devices() {
        let dense = FILTERS.iter().fold(input(), |x, &filters| x.add(Conv2D::new(filters, 3).relu()));
        let separable = FILTERS.iter().fold(input(), |x, &filters| x.add(SeparableConv2D::new(filters, 3).relu()));
        for (name, stack) in [("conv2d", dense), ("separable_conv2d", separable)] {
            stack_of(&mut group, device, name, stack).expect("a stack to measure");
        }
    }
}

fn stack_of(group: &mut Group, device: &Device, name: &str, stack: Sequential) -> Result<()> {
    let model = stack.add(GlobalAveragePooling2D::new()).build()?.on(device.clone());
    let mut trainer = model.compile(Adam::new(1e-3), MeanSquaredError::new(), ())?;
    let batch = Dataset::new(normal(device, &[32, 32, 32, 32]), normal(device, &[32, 128]))?;
    group.bench(device, name, Work::Step, || trainer.train_on_batch(&batch));
    Ok(())
}

criterion_group!(benches, steps, stacks);
criterion_main!(benches);
