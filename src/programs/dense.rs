//! Densely connected networks.

use super::{Kind, Objective, Program, rmsprop};
use crate::error::Result;
use crate::layers::{Dense, Precision};
use crate::losses::{BinaryCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy};
use crate::model::{Model, Sequential};

/// Two hidden layers of `width`, then `last`.
fn mlp(features: usize, width: usize, last: Dense) -> Result<Model> {
    Sequential::new([features]).add(Dense::new(width).relu()).add(Dense::new(width).relu()).add(last).build()
}

pub(super) const BINARY: Program = Program {
    name: "dense-binary",
    about: "two classes: Dense 32, 32, 1 sigmoid on 64 numbers",
    batch: (128, 1024),
    inputs: &[Kind::Normal(&[64])],
    targets: &[Kind::Bits(&[1])],
    model: || mlp(64, 32, Dense::new(1).sigmoid()),
    objective: Objective::Loss(|| BinaryCrossentropy::new().into()),
    optimizer: rmsprop,
    precision: Precision::F32,
};

pub(super) const CATEGORICAL: Program = Program {
    name: "dense-categorical",
    about: "ten classes: Dense 512, 512, 10 softmax on 784 numbers",
    batch: (128, 1024),
    inputs: &[Kind::Normal(&[784])],
    targets: &[Kind::Below(10, &[])],
    model: || mlp(784, 512, Dense::new(10).softmax()),
    objective: Objective::Loss(|| SparseCategoricalCrossentropy::new().into()),
    optimizer: rmsprop,
    precision: Precision::F32,
};

pub(super) const MULTILABEL: Program = Program {
    name: "dense-multilabel",
    about: "twenty labels: Dense 32, 32, 20 sigmoid on 64 numbers",
    batch: (128, 1024),
    inputs: &[Kind::Normal(&[64])],
    targets: &[Kind::Bits(&[20])],
    model: || mlp(64, 32, Dense::new(20).sigmoid()),
    objective: Objective::Loss(|| BinaryCrossentropy::new().into()),
    optimizer: rmsprop,
    precision: Precision::F32,
};

pub(super) const REGRESSION: Program = Program {
    name: "dense-regression",
    about: "one number: Dense 64, 64, 1 on 13 numbers",
    batch: (16, 1024),
    inputs: &[Kind::Normal(&[13])],
    targets: &[Kind::Normal(&[1])],
    model: || mlp(13, 64, Dense::new(1)),
    objective: Objective::Loss(|| MeanSquaredError::new().into()),
    optimizer: rmsprop,
    precision: Precision::F32,
};
