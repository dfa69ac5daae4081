//! What the conformance suite is too small for: a batch whose gradients take several chunks of steps on the CPU.

use super::gru::{ResetAfterCell, ResetFirstCell};
use super::lstm::LstmCell;
use super::simple_rnn::SimpleRnnCell;
use super::{Forward, Given, Kind, Pass, Weights};
use crate::device::cpu::philox::Philox;
use crate::dtype::DType;
use crate::error::Result;
use crate::ops::activation::Activation;
use crate::tensor::{GradientTape, Tensor};
use std::ops::Range;

const BATCH: usize = 1000;
const STEPS: usize = 40;
const FEATURES: usize = 3;
const UNITS: usize = 9;

fn normal(shape: &[usize], stream: u32) -> Result<Tensor> {
    let (numbers, size) = (Philox::new(1, 0, stream), shape.iter().product::<usize>());
    let values: Vec<f64> = (0..size).map(|i| f64::from(numbers.normal(i as u64 / 4)[i % 4]) * 0.4).collect();
    Tensor::from_slice(&values, shape)
}

/// Four of five bits are set.
fn bits(shape: &[usize], stream: u32) -> Result<Tensor> {
    let (numbers, size) = (Philox::new(1, 0, stream), shape.iter().product::<usize>());
    let values: Vec<bool> = (0..size).map(|i| numbers.uniform(i as u64 / 4)[i % 4] < 0.8).collect();
    Tensor::from_slice(&values, shape)
}

/// The gradients of the weights, and of the input and the first states, from some samples of the batch.
fn gradients<K: Kind>(pass: Pass, dropped: bool, samples: Range<usize>) -> Result<Vec<Tensor>> {
    let cell = K::CELL;
    let width = cell.gates * UNITS;
    let of = |tensor: Tensor, axis: isize| tensor.slice(axis, samples.clone());
    let x = of(normal(&[BATCH, STEPS, FEATURES], 0)?, 0)?;
    let initial = of(normal(&[cell.states, BATCH, UNITS], 1)?, 1)?;
    let mask = of(bits(&[BATCH, STEPS], 2)?, 0)?;
    let dropout = of(bits(&[cell.gates, BATCH, UNITS], 3)?, 1)?;
    let bias: &[usize] = if cell.apart { &[2, width] } else { &[width] };
    let weights = [normal(&[FEATURES, width], 4)?, normal(&[UNITS, width], 5)?, normal(bias, 6)?];
    let tape = GradientTape::new();
    let [x, initial] = [tape.watch(&x)?, tape.watch(&initial)?];
    let [kernel, recurrent_kernel, bias] = [&weights[0], &weights[1], &weights[2]].map(|w| tape.watch(w));
    let (kernel, recurrent_kernel, bias) = (kernel?, recurrent_kernel?, bias?);
    let weights = Weights { kernel: &kernel, recurrent_kernel: &recurrent_kernel, bias: Some(&bias) };
    let given = Given { initial: Some(&initial), mask: Some(&mask), dropout: dropped.then_some((&dropout, 1.25)) };
    let (y, states) = Forward::<K>::of(&x, weights, [Activation::Tanh, Activation::Sigmoid], pass, given)?;
    let of_output = of(normal(&[BATCH, STEPS, UNITS], 7)?, 0)?;
    let loss = y.mul(&of_output)?.sum(&[], false)?.add(&states.square()?.sum(&[], false)?)?;
    let gradients = tape.gradient(&loss, &[&kernel, &recurrent_kernel, &bias, &x, &initial])?;
    Ok(gradients.into_iter().flatten().collect())
}

/// Parts of the batch of which each is one chunk; the last are groups of few samples, whose steps go together.
const PARTS: [Range<usize>; 5] = [0..350, 350..700, 700..985, 985..997, 997..1000];

fn parts_give_the_whole<K: Kind>() -> Result<()> {
    for (i, backwards) in [false, true, false, true].into_iter().enumerate() {
        let (pass, dropped) = (Pass { sequences: true, backwards, ..Pass::default() }, i >= 2);
        let whole = gradients::<K>(pass, dropped, 0..BATCH)?;
        let parts = PARTS.into_iter().map(|part| gradients::<K>(pass, dropped, part)).collect::<Result<Vec<_>>>()?;
        assert!(whole.len() == 5 && parts.iter().all(|part| part.len() == 5));
        for (which, whole) in whole.iter().enumerate() {
            let of_parts: Vec<&Tensor> = parts.iter().map(|part| &part[which]).collect();
            let want = match which {
                3 => Tensor::concatenate(&of_parts, 0)?,
                4 => Tensor::concatenate(&of_parts, 1)?,
                _ => of_parts[1..].iter().try_fold(of_parts[0].clone(), |sum, part| sum.add(part))?,
            };
            let (got, want) = (whole.to_vec::<f64>()?, want.cast(DType::F64)?.to_vec::<f64>()?);
            let largest = want.iter().fold(0f64, |most, x| most.max(x.abs()));
            let off = got.iter().zip(&want).fold(0f64, |most, (a, b)| most.max((a - b).abs()));
            assert!(
                got.len() == want.len() && largest > 0.0 && off <= 1e-12 * largest,
                "{}, backwards {backwards}, dropout {dropped}, gradient {which}: off by {off} of {largest}",
                K::CELL.op
            );
        }
    }
    Ok(())
}

#[test]
fn gradients_of_several_chunks_are_those_of_the_parts_of_a_batch() -> Result<()> {
    parts_give_the_whole::<LstmCell>()?;
    parts_give_the_whole::<ResetAfterCell>()?;
    parts_give_the_whole::<ResetFirstCell>()?;
    parts_give_the_whole::<SimpleRnnCell>()
}
