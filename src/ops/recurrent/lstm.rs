//! The long short-term memory over a whole sequence.

use super::cpu::{Step, StepBack, activate, multiply, scale, value_of};
use super::cuda::{Kernels, kernels};
use super::{Back, Cell, Forward, Given, Inputs, Kind, Pass, Recurrence};
use crate::device::cpu::Float;
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
    /// An LSTM over a whole sequence ([Keras](https://keras.io/api/layers/recurrent_layers/lstm/), [Hochreiter and
    /// Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735)): this is the product of the input with its kernel,
    /// plus the bias, `(time, batch, 4 · units)`, gates in the order i, f, g (Keras's c), o; `recurrent_kernel` is `(units,
    /// 4 · units)`. The activations are φ, of g and of what goes out, and σ, of the gates.
    ///
    /// Returns the outputs, `(batch, units)` or with [`Pass::sequences`] `(batch, time, units)`, and the last states h and
    /// c, `(2, batch, units)`. Floating-point, one dtype.
    ///
    /// # Errors
    /// No step, shapes that do not fit, dtypes that differ or are no floats, a mask that is no bool.
    pub fn lstm(
        &self,
        recurrent_kernel: &Tensor,
        activations: [Activation; 2],
        pass: Pass,
        given: Given,
    ) -> Result<(Tensor, Tensor)> {
        let Given { initial, mask, dropout } = given;
        let inputs = Inputs { sums: self, kernel: recurrent_kernel, bias: None, initial, mask, dropout };
        Lstm::of(pass, activations, &inputs)
    }
}

impl Kind for LstmCell {
    const CELL: Cell =
        Cell { op: "lstm", grad: "lstm_grad", gates: 4, recurrent: 4, apart: false, states: 2, planes: 4 };
    const KERNELS: Kernels = kernels!("lstm", "lstm");

    fn step<T: Float>(op: &Recurrence, step: &mut Step<T>) {
        let [vi, vf, vg, vo, squashed] = step.values.each_mut();
        for (gate, plane) in step.planes.iter_mut().enumerate() {
            step.products.of(gate, step.old[0], plane, squashed);
            step.sums.add_to(gate, plane);
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
        let ([i, f, g, o], [_, old], [_, new]) = (step.planes, step.old, step.new);
        let [vi, vf, vg, vo, squashed] = step.values.each_mut();
        let [di, df, dg, d_out] = step.sums.each_mut();
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
    }
}
