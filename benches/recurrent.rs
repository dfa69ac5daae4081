//! Passes of recurrent cells over whole sequences, forward and backward: the programs' sizes, lengths for what a step of the
//! sequence costs, and units about the limits where another way of computing begins.

mod common;

use common::{Group, Work, devices, normal};
use criterion::{Criterion, criterion_group, criterion_main};
use uncrumple::ops::{Activation, Given, Pass, Weights};
use uncrumple::{Device, GradientTape, Result, Tensor};

#[derive(Clone, Copy, Debug)]
enum Cell {
    Lstm,
    Gru,
    SimpleRnn,
}

/// A layer: cell, batch, steps, features, units.
type Layer = (Cell, usize, usize, usize, usize);

/// Those of the programs, then longer sequences, then more units.
const LAYERS: &[Layer] = &[
    (Cell::Lstm, 256, 120, 14, 32),
    (Cell::Lstm, 256, 120, 32, 32),
    (Cell::Gru, 256, 120, 14, 32),
    (Cell::SimpleRnn, 256, 120, 14, 32),
    (Cell::Lstm, 256, 240, 14, 32),
    (Cell::Lstm, 256, 480, 14, 32),
    (Cell::Lstm, 64, 120, 64, 100),
    (Cell::Lstm, 64, 60, 128, 256),
    (Cell::Lstm, 1, 120, 14, 32),
];

struct Case {
    cell: Cell,
    x: Tensor,
    weights: [Tensor; 3],
    operations: usize,
}

impl Case {
    fn new(device: &Device, (cell, batch, steps, features, units): Layer) -> Result<Case> {
        let gates = match cell {
            Cell::Lstm => 4,
            Cell::Gru => 3,
            Cell::SimpleRnn => 1,
        };
        let weight = |shape: &[usize]| normal(device, shape).mul_scalar(1.0 / (shape[0] as f64).sqrt());
        // A GRU's products have a bias of their own.
        let bias = if matches!(cell, Cell::Gru) { vec![2, gates * units] } else { vec![gates * units] };
        let weights = [weight(&[features, gates * units])?, weight(&[units, gates * units])?, weight(&bias)?];
        // Forward, the gradients of both kernels, and that of the state.
        let operations = 2 * batch * steps * gates * units * (2 * features + 3 * units);
        Ok(Case { cell, x: normal(device, &[batch, steps, features]), weights, operations })
    }

    /// The last output's gradient for all weights.
    fn step(&self) -> Result<Vec<Option<Tensor>>> {
        let tape = GradientTape::new();
        let [kernel, recurrent, bias] = &self.weights;
        let (kernel, recurrent, bias) = (tape.watch(kernel)?, tape.watch(recurrent)?, tape.watch(bias)?);
        let (pass, given) = (Pass::default(), Given::default());
        let weights = Weights { kernel: &kernel, recurrent_kernel: &recurrent, bias: Some(&bias) };
        let usual = [Activation::Tanh, Activation::Sigmoid];
        let (y, _) = match self.cell {
            Cell::Lstm => self.x.lstm(weights, usual, pass, given)?,
            Cell::Gru => self.x.gru(weights, true, usual, pass, given)?,
            Cell::SimpleRnn => self.x.simple_rnn(weights, Activation::Tanh, pass, given)?,
        };
        tape.gradient(&y.sum(&[], false)?, &[&kernel, &recurrent, &bias])
    }
}

fn recurrent(c: &mut Criterion) {
    let mut group = Group::new(c, "recurrent");
    for device in devices() {
        for &layer in LAYERS {
            let case = Case::new(device, layer).expect("a layer");
            let (cell, batch, steps, features, units) = layer;
            let id = format!("{cell:?}_{batch}x{steps}x{features}_{units}");
            group.bench(device, &id, Work::Flops(case.operations), || case.step());
        }
    }
}

criterion_group!(benches, recurrent);
criterion_main!(benches);
