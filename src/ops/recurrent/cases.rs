//! What the passes of all cells are tested on: sizes about a vector's and a warp's, one step and many, every option.

use super::grad::{Back, Grad};
use super::{Forward, Kind, Pass, Recurrence};
use crate::dtype::DType;
use crate::ops::activation::Activation;
use crate::tensor::{Case, FLOATS, Sample};
use std::marker::PhantomData;

/// Steps, samples, units.
type Size = [usize; 3];

const PLAIN: Recurrence = Recurrence {
    pass: Pass { sequences: false, backwards: false, reversed_output: false, zero_output_for_mask: false },
    activation: Activation::Tanh,
    recurrent_activation: Activation::Sigmoid,
    record: true,
    bias: false,
    initial: false,
    mask: false,
    dropout: None,
};

/// Each option once, and sizes.
fn all() -> Vec<(Size, Recurrence)> {
    let sequences = Pass { sequences: true, ..PLAIN.pass };
    let backwards = Pass { backwards: true, ..sequences };
    let small = [3, 2, 5];
    let mut all = vec![
        ([1, 1, 1], PLAIN),
        ([4, 3, 31], Recurrence { pass: sequences, ..PLAIN }),
        ([3, 5, 32], Recurrence { pass: sequences, initial: true, ..PLAIN }),
        ([2, 3, 33], Recurrence { pass: backwards, mask: true, ..PLAIN }),
        ([2, 50, 7], Recurrence { pass: backwards, dropout: Some(1.5), initial: true, ..PLAIN }),
        ([2, 1, 100], PLAIN),
        ([2, 2, 257], Recurrence { pass: backwards, initial: true, mask: true, dropout: Some(1.5), ..PLAIN }),
        ([2, 1, 257], PLAIN),
        ([70, 1, 3], Recurrence { mask: true, ..PLAIN }),
        ([530, 1, 2], Recurrence { pass: backwards, ..PLAIN }),
        ([2, 0, 3], PLAIN),
        (small, Recurrence { pass: Pass { reversed_output: true, ..backwards }, ..PLAIN }),
        (small, Recurrence { pass: Pass { zero_output_for_mask: true, ..sequences }, mask: true, ..PLAIN }),
        (small, Recurrence { pass: Pass { zero_output_for_mask: true, ..PLAIN.pass }, mask: true, ..PLAIN }),
        ([4, 50, 20], Recurrence { pass: sequences, initial: true, mask: true, dropout: Some(1.5), ..PLAIN }),
    ];
    // Slopes of values and of arguments, and none.
    let activations = [
        (Activation::Linear, Activation::HardSigmoid),
        (Activation::Softsign, Activation::Sigmoid),
        (Activation::HardSigmoid, Activation::Softsign),
        (Activation::Tanh, Activation::Linear),
    ];
    for (i, (activation, recurrent_activation)) in activations.into_iter().enumerate() {
        let op = Recurrence {
            activation,
            recurrent_activation,
            mask: i % 2 == 0,
            dropout: (i % 2 == 1).then_some(1.5),
            ..PLAIN
        };
        all.push(([3, 4, 6], Recurrence { pass: sequences, initial: true, ..op }));
    }
    all
}

/// What is rounded at each of many steps, or over many units, is compared where roundings are small.
fn dtypes([steps, _, units]: Size) -> &'static [DType] {
    if steps < 50 && units < 200 { FLOATS } else { &[DType::F32, DType::F64] }
}

/// The state's product must not saturate the gates.
fn kernel<K: Kind>(units: usize) -> Sample {
    let most = 1.0 / (units as f64).sqrt();
    Sample::within([units, K::CELL.gates * units], -most..most)
}

fn mask([steps, batch, _]: Size) -> Sample {
    Sample { dtype: Some(DType::Bool), ..Sample::within([batch, steps], 0.0..1.0) }
}

fn dropout<K: Kind>([_, batch, units]: Size) -> Sample {
    Sample { dtype: Some(DType::Bool), ..Sample::within([K::CELL.gates, batch, units], 0.0..1.0) }
}

/// The input's features, and its weights' rows: the kernel's own, and those of the biases.
fn features([steps, _, units]: Size) -> usize {
    steps.min(5) + units % 3
}

fn weighted<K: Kind>(i: usize, size: Size, op: Recurrence) -> (Recurrence, Vec<Sample>) {
    let [steps, batch, units] = size;
    let (features, width) = (features(size), K::CELL.gates * units);
    let op = Recurrence { bias: i.is_multiple_of(2), ..op };
    let kernel_of_input = Sample::within([features, width], -0.5..0.5);
    (op, vec![Sample::within([batch, steps, features], -1.0..1.0), kernel_of_input, kernel::<K>(units)])
}

pub(super) fn forward<K: Kind>() -> Vec<Case> {
    let case = |(i, (size @ [_, batch, units], op)): (usize, (Size, Recurrence))| {
        let (op, mut inputs) = weighted::<K>(i, size, op);
        let bias = if K::CELL.apart { vec![2, K::CELL.gates * units] } else { vec![K::CELL.gates * units] };
        inputs.extend(op.bias.then(|| Sample::within(&bias[..], -1.0..1.0)));
        inputs.extend(op.initial.then(|| Sample::within([K::CELL.states, batch, units], -1.0..1.0)));
        inputs.extend(op.mask.then(|| mask(size)));
        inputs.extend(op.dropout.map(|_| dropout::<K>(size)));
        Case::new(Forward::<K>(op, PhantomData), inputs).shown(2).dtypes(dtypes(size))
    };
    all().into_iter().enumerate().map(case).collect()
}

pub(super) fn backward<K: Kind>() -> Vec<Case> {
    let case = |(i, (size @ [steps, batch, units], op)): (usize, (Size, Recurrence))| {
        let cell = K::CELL;
        let (op, mut inputs) = weighted::<K>(i, size, op);
        let grad = Grad { recurrence: op, dx: i % 4 != 0, dy: i % 3 != 2, d_states: i % 3 != 1 };
        let y = if op.pass.sequences { vec![batch, steps, units] } else { vec![batch, units] };
        // Values of gates lie between 0 and 1.
        inputs.push(Sample::within([cell.kept(steps), batch, units], 0.1..0.9));
        inputs.extend(grad.dy.then(|| Sample::new(&y[..])));
        inputs.extend(grad.d_states.then(|| Sample::new([cell.states, batch, units])));
        inputs.extend(op.mask.then(|| mask(size)));
        inputs.extend(op.dropout.map(|_| dropout::<K>(size)));
        Case::new(Back::<K>(grad, PhantomData), inputs).dtypes(dtypes(size))
    };
    all().into_iter().enumerate().map(case).collect()
}
