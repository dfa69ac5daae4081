//! Networks that go through sequences with a state.

use super::{Kind, Objective, Program, rmsprop};
use crate::layers::{Dense, GRU, LSTM, Precision};
use crate::losses::{BinaryCrossentropy, MeanSquaredError};
use crate::model::Sequential;

/// Steps and features of a sequence.
const SEQUENCE: [usize; 2] = [120, 14];

pub(super) const ONE: Program = Program {
    name: "lstm",
    about: "two classes: LSTM 32, Dense 1 sigmoid on 120 steps of 14 numbers",
    batch: (256, 1024),
    inputs: &[Kind::Normal(&SEQUENCE)],
    targets: &[Kind::Bits(&[1])],
    model: || Sequential::new(SEQUENCE).add(LSTM::new(32)).add(Dense::new(1).sigmoid()).build(),
    objective: Objective::Loss(|| BinaryCrossentropy::new().into()),
    optimizer: rmsprop,
    precision: Precision::F32,
};

pub(super) const STACKED: Program = Program {
    name: "stacked-lstm",
    about: "two classes: LSTM 32, 32, 32, Dense 1 sigmoid on 120 steps of 14 numbers",
    batch: (256, 1024),
    inputs: &[Kind::Normal(&SEQUENCE)],
    targets: &[Kind::Bits(&[1])],
    model: || {
        let sequences = || LSTM::new(32).return_sequences(true);
        let stack = Sequential::new(SEQUENCE).add(sequences()).add(sequences()).add(LSTM::new(32));
        stack.add(Dense::new(1).sigmoid()).build()
    },
    objective: Objective::Loss(|| BinaryCrossentropy::new().into()),
    optimizer: rmsprop,
    precision: Precision::F32,
};

pub(super) const GATED: Program = Program {
    name: "gru",
    about: "one number: GRU 32, Dense 1 on 120 steps of 14 numbers",
    batch: (256, 1024),
    inputs: &[Kind::Normal(&SEQUENCE)],
    targets: &[Kind::Normal(&[1])],
    model: || Sequential::new(SEQUENCE).add(GRU::new(32)).add(Dense::new(1)).build(),
    objective: Objective::Loss(|| MeanSquaredError::new().into()),
    optimizer: rmsprop,
    precision: Precision::F32,
};
