//! The gated recurrent unit over a whole sequence.

use super::cuda::{Kernels, kernels};
use super::step::{Step, StepBack, activate, add_bias, flush, multiply, multiply_add, value_of};
use super::{Back, Cell, Forward, Given, Kind, Pass, Recurrence, Weights};
use crate::device::cpu::Float;
use crate::error::Result;
use crate::ops::activation::Activation;
use crate::tensor::Tensor;

/// A GRU that resets after the product, Keras's default and cuDNN's: with the sums s of a step's input (z, r, n side by side), the
/// recurrent kernel R and its bias b,
///
/// z = σ(s_z + h·R_z + b_z), r = σ(s_r + h·R_r + b_r), q = h·R_n + b_n, n = φ(s_n + r·q), h ← z·h + (1 − z)·n.
///
/// A step's planes are z, r, n and q.
#[derive(Clone, Copy, Debug)]
pub struct ResetAfterCell;

/// A GRU that resets the state before its product, as in the paper's first version: n = φ(s_n + (r·h)·R_n), without a
/// recurrent bias.
///
/// A step's planes are z, r and n.
#[derive(Clone, Copy, Debug)]
pub struct ResetFirstCell;

/// The op of a GRU that resets after the product.
pub type Gru = Forward<ResetAfterCell>;
/// The op of its backward.
pub type GruGrad = Back<ResetAfterCell>;
/// The op of a GRU that resets first.
pub type ResetFirst = Forward<ResetFirstCell>;
/// The op of its backward.
pub type ResetFirstGrad = Back<ResetFirstCell>;

impl Tensor {
    /// A GRU over a whole sequence `(batch, time, features)` ([Keras](https://keras.io/api/layers/recurrent_layers/gru/), [Cho
    /// et al., 2014](https://arxiv.org/abs/1406.1078)). The kernels' gates are in the order z, r, n (Keras's h). The activations
    /// are φ, of n, and σ, of the gates. With `reset_after` the reset gate multiplies the state's product, to which the
    /// bias's second row is added first; else the state itself.
    ///
    /// Returns the outputs, `(batch, units)` or with [`Pass::sequences`] `(batch, time, units)`, and the last state, `(1,
    /// batch, units)`. Floating-point, one dtype.
    ///
    /// # Errors
    /// As for [`Tensor::lstm`].
    pub fn gru(
        &self,
        weights: Weights,
        reset_after: bool,
        activations: [Activation; 2],
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)> {
        match reset_after {
            true => Gru::of(self, weights, activations, pass, given),
            false => ResetFirst::of(self, weights, activations, pass, given),
        }
    }
}

/// h ← z·h + (1 − z)·n
fn mix<T: Float>(z: &[T], n: &[T], old: &[T], new: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || {
            for (new, ((&z, &n), &old)) in new.iter_mut().zip(z.iter().zip(n).zip(old)) {
                *new = z.mul_add(old - n, n);
            }
        },
    );
}

/// From the gradient of h those of z, of n, and of the h before as far as it is mixed in.
fn mix_back<T: Float>(z: &[T], n: &[T], old: &[T], [dz, dn, dh]: [&mut [T]; 3]) {
    T::vectorize(
        #[inline(always)]
        || {
            let values = z.iter().zip(n).zip(old);
            for (((&z, &n), &old), ((dz, dn), dh)) in values.zip(dz.iter_mut().zip(dn).zip(dh)) {
                *dz = *dh * (old - n);
                *dn = *dh * (T::ONE - z);
                *dh = (*dh * z).flush();
            }
        },
    );
}

impl Kind for ResetAfterCell {
    const CELL: Cell = Cell { op: "gru", grad: "gru_grad", gates: 3, recurrent: 3, apart: true, states: 1, planes: 4 };
    const KERNELS: Kernels = kernels!("gru", "gru");

    fn step<T: Float>(op: &Recurrence, step: &mut Step<T>) {
        let [vz, vr, vn, _, room] = step.room.each_mut();
        let [z, r, n, q] = step.planes.each_mut();
        let ([old, _], [new, _]) = (step.old, step.new.each_mut());
        for (gate, plane) in [&mut *z, &mut *r, &mut *q].into_iter().enumerate() {
            step.products.of(gate, old, plane, room);
            add_bias(step.bias, gate, step.units, plane);
        }
        step.sums.add_to(0, z);
        step.sums.add_to(1, r);
        let (z, r) = (activate(op.recurrent_activation, z, vz), activate(op.recurrent_activation, r, vr));
        multiply(r, q, n);
        step.sums.add_to(2, n);
        mix(z, activate(op.activation, n, vn), old, new);
    }

    fn step_back<T: Float>(op: &Recurrence, step: &mut StepBack<T>) {
        let ([z, r, n, q], [old, _]) = (step.planes, step.old);
        let [vz, vr, vn, dz, dr, dn, ..] = step.room.each_mut();
        let [dh, _] = step.states.each_mut();
        let (vz, vr) = (value_of(op.recurrent_activation, z, vz), value_of(op.recurrent_activation, r, vr));
        mix_back(vz, value_of(op.activation, n, vn), old, [dz, dn, dh]);
        op.activation.cpu_slope(n, dn);
        multiply(dn, q, dr);
        multiply(dn, vr, step.apart);
        flush(step.apart);
        op.recurrent_activation.cpu_slope(z, dz);
        op.recurrent_activation.cpu_slope(r, dr);
        for (gate, grads) in [&*dz, dr, dn].into_iter().enumerate() {
            step.sums.write(gate, grads);
        }
    }
}

impl Kind for ResetFirstCell {
    const CELL: Cell = Cell {
        op: "gru_reset_first",
        grad: "gru_reset_first_grad",
        gates: 3,
        recurrent: 2,
        apart: false,
        states: 1,
        planes: 3,
    };
    const KERNELS: Kernels = kernels!("gru", "gru_reset_first");

    fn step<T: Float>(op: &Recurrence, step: &mut Step<T>) {
        let [vz, vr, vn, reset, room] = step.room.each_mut();
        let [z, r, n, _] = step.planes.each_mut();
        let ([old, _], [new, _]) = (step.old, step.new.each_mut());
        for (gate, plane) in [&mut *z, &mut *r].into_iter().enumerate() {
            step.products.of(gate, old, plane, room);
            step.sums.add_to(gate, plane);
        }
        let (z, r) = (activate(op.recurrent_activation, z, vz), activate(op.recurrent_activation, r, vr));
        multiply(r, old, reset);
        step.products.of(2, reset, n, room);
        step.sums.add_to(2, n);
        mix(z, activate(op.activation, n, vn), old, new);
    }

    fn step_back<T: Float>(op: &Recurrence, step: &mut StepBack<T>) {
        let ([z, r, n, _], [old, _]) = (step.planes, step.old);
        let [vz, vr, vn, dz, dr, dn, reset, room, _] = step.room.each_mut();
        let [dh, _] = step.states.each_mut();
        let (vz, vr) = (value_of(op.recurrent_activation, z, vz), value_of(op.recurrent_activation, r, vr));
        mix_back(vz, value_of(op.activation, n, vn), old, [dz, dn, dh]);
        op.activation.cpu_slope(n, dn);
        // Through the product of r·h.
        reset.fill(T::ZERO);
        step.products.back(2, dn, step.sums.units, reset, room);
        multiply(reset, old, dr);
        multiply_add(reset, vr, dh);
        op.recurrent_activation.cpu_slope(z, dz);
        op.recurrent_activation.cpu_slope(r, dr);
        for (gate, grads) in [&*dz, dr, dn].into_iter().enumerate() {
            step.sums.write(gate, grads);
        }
    }
}
