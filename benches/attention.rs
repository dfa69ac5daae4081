//! Attention, forward and backward: the programs' sizes, then longer and longer sequences, with the memory that each takes.

mod common;

use common::{Group, Work, devices, measures, memory, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::ops::Attend;
use uncrumple::{Device, GradientTape, Result, Tensor};

/// Batch, steps, heads, size of a head, and whether a step sees those before it alone.
type Layer = (usize, usize, usize, usize, bool);

/// Those of the programs, then longer sequences.
const LAYERS: &[Layer] = &[
    (32, 200, 8, 32, false),
    (32, 40, 8, 32, false),
    (32, 40, 8, 32, true),
    (8, 128, 8, 32, true),
    (1, 512, 8, 64, true),
    (1, 1024, 8, 64, true),
    (1, 2048, 8, 64, true),
    (1, 4096, 8, 64, true),
    (1, 8192, 8, 64, true),
];

struct Case {
    inputs: [Tensor; 3],
    causal: bool,
    operations: usize,
}

impl Case {
    fn new(device: &Device, (batch, steps, heads, size, causal): Layer) -> Case {
        let inputs = std::array::from_fn(|_| normal(device, &[batch, steps, heads, size]));
        let seen = if causal { steps * (steps + 1) / 2 } else { steps * steps };
        // Two products forward, five backward.
        Case { inputs, causal, operations: 7 * 2 * batch * heads * seen * size }
    }

    /// The gradients of query, key and value.
    fn step(&self) -> Result<Vec<Option<Tensor>>> {
        let tape = GradientTape::new();
        let [query, key, value] = &self.inputs;
        let (query, key, value) = (tape.watch(query)?, tape.watch(key)?, tape.watch(value)?);
        let attend = Attend { causal: self.causal.then_some(0), ..Attend::default() };
        let y = query.attention(&key, &value, attend)?;
        tape.gradient(&y.sum(&[], false)?, &[&query, &key, &value])
    }
}

fn attention(c: &mut Criterion) {
    let mut taken = Vec::new();
    let mut group = Group::new(c, "attention");
    for device in devices() {
        for &layer in LAYERS {
            let case = Case::new(device, layer);
            let (batch, steps, heads, size, causal) = layer;
            let id = format!("{batch}x{steps}x{heads}x{size}{}", if causal { "_causal" } else { "" });
            if device.is_cpu() && measures() {
                taken.push((id.clone(), memory(|| case.step()).expect("a step"), 4 * batch * heads * steps * steps));
            }
            group.bench(device, &id, Work::Flops(case.operations), || case.step());
        }
    }
    drop(group);
    for (id, bytes, scores) in taken {
        let mb = |bytes: usize| bytes as f64 / 1e6;
        println!(
            "attention/{id:<40} {:>9.1} MB beside its inputs; the scores alone would be {:.1} MB",
            mb(bytes),
            mb(scores)
        );
    }
}

criterion_group!(benches, attention);
criterion_main!(benches);
