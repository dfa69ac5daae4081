//! Whole training steps of the named programs: forward, backward, optimizer.

mod common;

use common::{Group, Work, devices};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::programs::{self, Program};
use uncrumple::{Device, Result};

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

criterion_group!(benches, steps);
criterion_main!(benches);
