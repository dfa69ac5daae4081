//! The fully connected recurrence over a whole sequence.

use super::cuda::{Kernels, kernels};
use super::step::{Step, StepBack, activate};
use super::{Back, Cell, Forward, Given, Kind, Pass, Recurrence, Weights};
use crate::device::cpu::Float;
use crate::error::Result;
use crate::ops::activation::Activation;
use crate::tensor::Tensor;

/// h ← φ(s + h·R), with the sums s of a step's input and the recurrent kernel R. A step's plane is what the slope is
/// computed from.
#[derive(Clone, Copy, Debug)]
pub struct SimpleRnnCell;

/// The op.
pub type SimpleRnn = Forward<SimpleRnnCell>;
/// The op of its backward.
pub type SimpleRnnGrad = Back<SimpleRnnCell>;

impl Tensor {
    /// A fully connected recurrence over a whole sequence `(batch, time, features)`
    /// ([Keras](https://keras.io/api/layers/recurrent_layers/simple_rnn/)).
    ///
    /// Returns the outputs, `(batch, units)` or with [`Pass::sequences`] `(batch, time, units)`, and the last state, `(1,
    /// batch, units)`. Floating-point, one dtype.
    ///
    /// # Errors
    /// As for [`Tensor::lstm`].
    pub fn simple_rnn(
        &self,
        weights: Weights,
        activation: Activation,
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)> {
        SimpleRnn::of(self, weights, [activation, activation], pass, given)
    }
}

impl Kind for SimpleRnnCell {
    const CELL: Cell =
        Cell { op: "simple_rnn", grad: "simple_rnn_grad", gates: 1, recurrent: 1, apart: false, states: 1, planes: 1 };
    const KERNELS: Kernels = kernels!("simple_rnn", "simple_rnn");

    fn step<T: Float>(op: &Recurrence, step: &mut Step<T>) {
        let [value, room, ..] = step.room.each_mut();
        let plane = &mut step.planes[0];
        step.products.of(0, step.old[0], plane, room);
        step.sums.add_to(0, plane);
        step.new[0].copy_from_slice(activate(op.activation, plane, value));
    }

    fn step_back<T: Float>(op: &Recurrence, step: &mut StepBack<T>) {
        let [dh, _] = step.states.each_mut();
        op.activation.cpu_slope(step.planes[0], dh);
        step.sums.write(0, dh);
        dh.fill(T::ZERO);
    }
}
