//! The long short-term memory over a whole sequence.

use super::cuda::{Kernels, kernels};
use super::step::{Rows, Step, StepBack, activate, multiply, scale, value_of};
use super::{Back, Cell, Forward, Given, Kind, Pass, Recurrence, Weights};
use crate::device::cpu::Float;
use crate::device::cpu::simd::{Body, Lanes, load, store};
use crate::error::Result;
use crate::ops::activation::Activation;
use crate::tensor::Tensor;

/// An LSTM: with the sums s of a step's input (i, f, g, o side by side) and the recurrent kernel R,
///
/// i = σ(sᵢ + h·Rᵢ), f = σ(s_f + h·R_f), g = φ(s_g + h·R_g), o = σ(sₒ + h·Rₒ), c ← f·c + i·g, h ← o·φ(c).
///
/// The states are h and c.
#[derive(Clone, Copy, Debug)]
pub struct LstmCell;

/// The op.
pub type Lstm = Forward<LstmCell>;
/// The op of its backward.
pub type LstmGrad = Back<LstmCell>;

impl Tensor {
    /// An LSTM over a whole sequence `(batch, time, features)`
    /// ([Keras](https://keras.io/api/layers/recurrent_layers/lstm/), [Hochreiter and Schmidhuber,
    /// 1997](https://doi.org/10.1162/neco.1997.9.8.1735)). The kernels' gates are in the order i, f, g (Keras's c), o. The
    /// activations are φ, of g and of what goes out, and σ, of the gates.
    ///
    /// Returns the outputs, `(batch, units)` or with [`Pass::sequences`] `(batch, time, units)`, and the last states h and
    /// c, `(2, batch, units)`. Floating-point, one dtype.
    ///
    /// # Errors
    /// No step, shapes that do not fit, dtypes that differ or are no floats, a mask that is no bool; on a
    /// CUDA card an activation for which [`on_card`](crate::ops::on_card) is false.
    pub fn lstm(
        &self,
        weights: Weights,
        activations: [Activation; 2],
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)> {
        Lstm::of(self, weights, activations, pass, given)
    }
}

impl Kind for LstmCell {
    const CELL: Cell =
        Cell { op: "lstm", grad: "lstm_grad", gates: 4, recurrent: 4, apart: false, states: 2, planes: 4 };
    const KERNELS: Kernels = kernels!("lstm", "lstm");

    fn step<T: Float>(op: &Recurrence, step: &mut Step<T>) {
        if op.usual() {
            return usual_step(step);
        }
        let [vi, vf, vg, vo, squashed] = step.room.each_mut();
        step.products.add(step.old[0], &mut step.sums, squashed);
        for (gate, plane) in step.planes.iter_mut().enumerate() {
            step.sums.copy_to(gate, plane);
        }
        let [i, f, g, o] = step.planes.each_mut();
        let (i, f) = (activate(op.recurrent_activation, i, vi), activate(op.recurrent_activation, f, vf));
        let (g, o) = (activate(op.activation, g, vg), activate(op.recurrent_activation, o, vo));
        let ([_, old], [h, c]) = (step.old, step.new.each_mut());
        T::vectorize(
            #[inline(always)]
            || {
                let gates = i.iter().zip(f).zip(g.iter().zip(old));
                for (c, ((&i, &f), (&g, &old))) in c.iter_mut().zip(gates) {
                    *c = f.mul_add(old, i * g).flush();
                }
            },
        );
        squashed.copy_from_slice(c);
        op.activation.cpu(squashed);
        multiply(o, squashed, h);
    }

    fn step_back<T: Float>(op: &Recurrence, step: &mut StepBack<T>) {
        if op.usual() {
            return usual_step_back(step);
        }
        let ([i, f, g, o], [_, old], [_, new]) = (step.planes, step.old, step.new);
        let [vi, vf, vg, vo, squashed, di, df, dg, d_out] = step.room.each_mut();
        let [dh, dc] = step.states.each_mut();
        let (recurrent, own) = (op.recurrent_activation, op.activation);
        let (vi, vf, vo) = (value_of(recurrent, i, vi), value_of(recurrent, f, vf), value_of(recurrent, o, vo));
        squashed.copy_from_slice(new);
        own.cpu(squashed);
        multiply(dh, squashed, d_out);
        scale(dh, vo);
        own.cpu_slope(own.slope_source(new, squashed), dh);
        let vg = value_of(own, g, vg);
        T::vectorize(
            #[inline(always)]
            || {
                let values = vi.iter().zip(vf).zip(vg.iter().zip(old));
                let grads = di.iter_mut().zip(df.iter_mut()).zip(dg.iter_mut());
                let states = dc.iter_mut().zip(dh.iter_mut());
                for (((&i, &f), (&g, &old)), (((di, df), dg), (dc, dh))) in values.zip(grads.zip(states)) {
                    let d = *dc + *dh;
                    (*di, *df, *dg) = (d * g, d * old, d * i);
                    *dc = (d * f).flush();
                    *dh = T::ZERO;
                }
            },
        );
        recurrent.cpu_slope(i, di);
        recurrent.cpu_slope(f, df);
        recurrent.cpu_slope(o, d_out);
        own.cpu_slope(g, dg);
        for (gate, grads) in [&*di, df, dg, d_out].into_iter().enumerate() {
            step.sums.write(gate, grads);
        }
    }
}

/// The step with tanh and sigmoid: a vector of units goes from the sums to the states in registers.
fn usual_step<T: Float>(step: &mut Step<T>) {
    step.products.add(step.old[0], &mut step.sums, step.room[0]);
    let ([_, old], [h, c], [i, f, g, o]) = (step.old, step.new.each_mut(), step.planes.each_mut());
    let rows = Rows { units: step.units, width: step.sums.width, count: step.sums.rows.len() / step.sums.width };
    T::in_vectors(UsualStep {
        rows,
        sums: rows.wide(step.sums.rows),
        old: rows.plane(old),
        gates: [i, f, g, o].map(|gate| rows.plane_mut(gate)),
        states: [h, c].map(|state| rows.plane_mut(state)),
    });
}

struct UsualStep<T> {
    rows: Rows,
    sums: *const T,
    old: *const T,
    gates: [*mut T; 4],
    states: [*mut T; 2],
}

impl<T: Float> Body<T> for UsualStep<T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        let UsualStep { rows, sums, old, gates, states: [h, c] } = self;
        // SAFETY: `Rows` made sure that all planes have these rows, and the caller that the machine has the instructions.
        unsafe {
            for (at, wide, lanes) in rows.vectors(V::LANES) {
                let sum = |gate: usize| sums.add(wide + gate * rows.units);
                let i = load::<V>(sum(0), lanes).sigmoid();
                let f = load::<V>(sum(1), lanes).sigmoid();
                let g = load::<V>(sum(2), lanes).tanh();
                let o = load::<V>(sum(3), lanes).sigmoid();
                let now = f.mul_add(load(old.add(at), lanes), i.mul(g)).flush();
                for (gate, value) in gates.iter().zip([i, f, g, o]) {
                    store(value, gate.add(at), lanes);
                }
                store(now, c.add(at), lanes);
                store(o.mul(now.tanh()), h.add(at), lanes);
            }
        }
    }
}

/// The step back with tanh and sigmoid.
fn usual_step_back<T: Float>(step: &mut StepBack<T>) {
    let [dh, dc] = step.states.each_mut();
    let rows = Rows { units: step.sums.units, width: step.sums.width, count: step.sums.rows.len() / step.sums.width };
    T::in_vectors(UsualStepBack {
        rows,
        gates: step.planes.map(|gate| rows.plane(gate)),
        old: rows.plane(step.old[1]),
        new: rows.plane(step.new[1]),
        states: [dh, dc].map(|state| rows.plane_mut(state)),
        sums: rows.wide_mut(step.sums.rows),
    });
}

/// The slope of the sigmoid from its value: y·(1 − y).
#[inline(always)]
unsafe fn of_sigmoid<V: Lanes>(one: V, y: V) -> V {
    // SAFETY: the caller's promise, that the machine has V's instructions.
    unsafe { y.mul(one.sub(y)) }
}

/// The slope of tanh from its value: 1 − y² as a product, which keeps its digits.
#[inline(always)]
unsafe fn of_tanh<V: Lanes>(one: V, y: V) -> V {
    // SAFETY: as above.
    unsafe { one.sub(y).mul(one.add(y)) }
}

struct UsualStepBack<T> {
    rows: Rows,
    gates: [*const T; 4],
    old: *const T,
    new: *const T,
    states: [*mut T; 2],
    sums: *mut T,
}

impl<T: Float> Body<T> for UsualStepBack<T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<T = T>>(self) {
        let UsualStepBack { rows, gates, old, new, states: [dh, dc], sums } = self;
        // SAFETY: `Rows` made sure that all planes have these rows, and the caller that the machine has the instructions.
        unsafe {
            let one = V::splat(T::ONE);
            for (at, wide, lanes) in rows.vectors(V::LANES) {
                let (i, f) = (load::<V>(gates[0].add(at), lanes), load::<V>(gates[1].add(at), lanes));
                let (g, o) = (load::<V>(gates[2].add(at), lanes), load::<V>(gates[3].add(at), lanes));
                let squashed = load::<V>(new.add(at), lanes).tanh();
                let upstream = load::<V>(dh.add(at), lanes);
                let d = upstream.mul(o).mul_add(of_tanh(one, squashed), load(dc.add(at), lanes));
                let grads = [
                    d.mul(g).mul(of_sigmoid(one, i)),
                    d.mul(load(old.add(at), lanes)).mul(of_sigmoid(one, f)),
                    d.mul(i).mul(of_tanh(one, g)),
                    upstream.mul(squashed).mul(of_sigmoid(one, o)),
                ];
                for (gate, grad) in grads.into_iter().enumerate() {
                    store(grad.flush(), sums.add(wide + gate * rows.units), lanes);
                }
                store(d.mul(f).flush(), dc.add(at), lanes);
                store(V::splat(T::ZERO), dh.add(at), lanes);
            }
        }
    }
}
