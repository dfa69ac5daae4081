//! The dense layer's op: product, bias and activation in one.

use super::activation::Activation;
use super::unary::SlopeOf;
use crate::device::Elements;
use crate::device::cpu::convert::require_float;
use crate::device::cpu::gemm::{View, gemm};
use crate::device::cuda::{CudaDevice, Product};
use crate::error::{Error, Result};
use crate::profile;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, require_one_dtype};
use crate::with_float;

/// `activation(x·W + b)`: x is `(…, k)`, W `(k, n)`, b `(n,)` and may be left out, the output `(…, n)`.
///
/// An activation whose slope is computed from its argument adds a second output, the sum before it.
#[derive(Clone, Copy, Debug)]
pub struct Linear(pub Activation);

impl Tensor {
    /// `activation(self · kernel + bias)` over the last axis, as [Keras's Dense
    /// layer](https://keras.io/api/layers/core_layers/dense/) has it: `(…, k) · (k, n) + (n,) → (…, n)`. Floating-point,
    /// one dtype.
    ///
    /// # Errors
    /// An input without axes, a kernel that is not 2-D, extents that do not fit, dtypes that differ or are no floats.
    pub fn linear(&self, kernel: &Tensor, bias: Option<&Tensor>, activation: Activation) -> Result<Tensor> {
        match bias {
            Some(bias) => apply_one(Linear(activation), &[self, kernel, bias]),
            None => apply_one(Linear(activation), &[self, kernel]),
        }
    }
}

impl Linear {
    fn keeps_sum(&self) -> bool {
        self.0.slope_of() == Some(SlopeOf::Input)
    }
}

fn count(inputs: &[&Tensor]) {
    profile::operations(2 * inputs[0].shape().size() * inputs[1].shape()[1]);
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let (x, w, b) = match inputs {
            [x, w] => (x, w, None),
            [x, w, b] => (x, w, Some(b)),
            _ => return Err(Error::shape("linear", format!("expected two or three tensors, got {}", inputs.len()))),
        };
        require_float("linear", x.dtype)?;
        require_one_dtype("linear", inputs)?;
        let (Some((&k, _)), [rows, n]) = (x.shape.split_last(), w.shape.dims()) else {
            let message =
                format!("expected an input with a last axis and a 2-D kernel, got {} and {}", x.shape, w.shape);
            return Err(Error::shape("linear", message));
        };
        if k != *rows {
            let message = format!("expected axis -1 of the input to be {rows}, got shape {}", x.shape);
            return Err(Error::shape("linear", message));
        }
        if let Some(b) = b.filter(|b| b.shape.dims() != [*n]) {
            return Err(Error::shape("linear", format!("expected a bias of shape ({n},), got {}", b.shape)));
        }
        let out = Meta::new(x.shape.with(x.shape.rank() - 1, *n)?, x.dtype);
        Ok(Metas::from_elem(out, if self.keeps_sum() { 2 } else { 1 }))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        count(inputs);
        let (x, w) = (inputs[0], inputs[1]);
        let (k, n) = (w.shape()[0], w.shape()[1]);
        let m = x.shape().rows();
        with_float!(x.dtype(), "linear", T => {
            let bias = inputs.get(2).map(|b| b.data::<T>()).transpose()?;
            let finish = if self.keeps_sum() { Activation::Linear } else { self.0 }.after(bias);
            let (x, w) = (View::new(x.data::<T>()?, k, false), View::new(w.data::<T>()?, n, false));
            let [out, sums @ ..] = outputs else { return Err(Error::Internal("linear has an output".into())) };
            match sums {
                [] => gemm([m, n, k], x, w, out.data_mut()?, false, Some(&finish)),
                [sum, ..] => {
                    gemm([m, n, k], x, w, sum.data_mut()?, false, Some(&finish))?;
                    self.0.cpu_from(sum.data::<T>()?, out.data_mut::<T>()?);
                    Ok(())
                }
            }
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        count(inputs);
        let (x, w) = (inputs[0], inputs[1]);
        let sum = outputs.last().ok_or_else(|| Error::Internal("linear has an output".into()))?;
        device.matmul(&Product {
            a: x,
            b: w,
            out: sum,
            bias: inputs.get(2).map(|&bias| bias as &dyn Elements),
            m: x.shape().rows(),
            n: w.shape()[1],
            k: w.shape()[0],
            batch: 1,
            transpose_a: false,
            transpose_b: false,
            stride_a: 0,
            stride_b: 0,
            stride_out: 0,
        })?;
        // In place where the sum is not kept: an element-wise kernel reads each element before it writes it.
        self.0.cuda(device, sum, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(match self.0.slope_of() {
            None => Keeps::inputs(&[0, 1]),
            Some(SlopeOf::Output) => Keeps { inputs: &[0, 1], outputs: &[0] },
            Some(SlopeOf::Input) => Keeps { inputs: &[0, 1], outputs: &[1] },
        })
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let (x, w) = (node.input(0)?, node.input(1)?);
        let dz = match self.0.slope_of() {
            None => node.grad()?.clone(),
            Some(SlopeOf::Output) => self.0.grad(node.output(0)?, node.grad()?)?,
            Some(SlopeOf::Input) => self.0.grad(node.output(1)?, node.grad()?)?,
        };
        let rows = |t: &Tensor| t.reshape([t.shape().rows(), t.shape().last()]);
        let mut gradients = Gradients::new();
        gradients.push(if node.wants(0) { Some(dz.matmul_with(w, false, true)?) } else { None });
        gradients.push(if node.wants(1) { Some(rows(x)?.matmul_with(&rows(&dz)?, true, false)?) } else { None });
        if node.input_count() > 2 {
            gradients.push(if node.wants(2) { Some(rows(&dz)?.sum(&[0], false)?) } else { None });
        }
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        let case = |x: &[usize], n: usize, bias: bool, activation| {
            let k = x.last().copied().unwrap_or(1);
            let mut inputs = vec![Sample::within(x, 0.1..1.0), Sample::within([k, n], -0.5..1.0)];
            inputs.extend(bias.then(|| Sample::within(n, 0.2..1.0)));
            Case::new(Linear(activation), inputs).shown(1)
        };
        let mut cases = vec![
            case(&[1, 1], 1, true, Activation::Linear),
            case(&[3, 7], 5, false, Activation::Linear),
            case(&[131, 33], 97, true, Activation::Linear),
            case(&[2, 3, 7], 5, true, Activation::Linear),
            case(&[0, 7], 5, true, Activation::Linear),
            case(&[4, 0], 5, true, Activation::Linear),
            case(&[66_000, 2], 3, true, Activation::Relu),
        ];
        // Straight lines that meet above 0: what a coarse dtype rounds must not pass from one to the next.
        let kinked = |a: Activation| {
            use Activation::*;
            let lines = [HardShrink, HardSigmoid, HardSilu, HardTanh, Relu6, SoftShrink, SparsePlus, SparseSigmoid];
            lines.contains(&a)
        };
        let between = |a: Activation| {
            let inputs = [([5, 7].as_slice(), 0.4..0.8), (&[7, 33], 0.3..0.4), (&[33], 0.2..0.4)];
            Case::new(Linear(a), inputs.map(|(shape, range)| Sample::within(shape, range))).shown(1)
        };
        cases.extend(Activation::ALL.iter().map(|&a| if kinked(a) { between(a) } else { case(&[5, 7], 33, true, a) }));
        cases
    }
}
