//! Layer and root mean square normalisation, of a tensor or of the sum of two.

mod cpu;
mod cuda;
mod grad;
#[cfg(test)]
mod tests;

pub use grad::LayerNormGrad;

use super::normalize_channels::weights;
use crate::device::cpu::convert::require_float;
use crate::device::cuda::CudaDevice;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, Tensors, apply, given};
use crate::with_float;
use smallvec::SmallVec;

/// (x − mean) / √(mean of (x − mean)² + ε) · γ + β over the last axis; not centred, with 0 for the mean. With a residual x is
/// the sum of both, which is the second output.
///
/// Inputs: x, the residual, γ and β, of which x alone must be there. The last output has each row's mean and 1 / √(…), eight
/// bytes a row, for the backward: on the CPU it takes a third less time with them than if it makes them again (0.64 for 0.92 ms
/// for (6400, 256) in f32), and on a card it reads x twice and not four times, and a row's threads wait for each other's sums
/// twice less.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    epsilon: f64,
    centred: bool,
    residual: bool,
    scale: bool,
    center: bool,
}

impl Tensor {
    /// The rows of the last axis with the mean 0 and the variance 1, (x − mean) / √(variance + ε), times `gamma` and plus
    /// `beta` where they are given ([Keras](https://keras.io/api/ops/nn/#layer_normalization-function),
    /// [paper](https://arxiv.org/abs/1607.06450)).
    ///
    /// Both have the last axis's extent and the dtype that is computed in: float32 for float16, bfloat16 and float32. The
    /// output has the dtype of x. One pass forward, and one backward for all gradients; the variance is taken about the mean,
    /// so that it keeps its digits.
    ///
    /// # Errors
    /// No axis, a dtype that is no float, a `gamma` or `beta` of another shape or dtype, an ε that is not positive.
    pub fn layer_norm(&self, gamma: Option<&Tensor>, beta: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        LayerNorm::new(epsilon, true).of(self, gamma, beta)
    }

    /// The rows of the last axis divided by their root mean square, x / √(mean x² + ε), times `scale` if it is given
    /// ([Keras](https://keras.io/api/ops/nn/#rms_normalization-function), [paper](https://arxiv.org/abs/1910.07467)).
    ///
    /// # Errors
    /// As for [`Tensor::layer_norm`].
    pub fn rms_norm(&self, scale: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        LayerNorm::new(epsilon, false).of(self, scale, None)
    }

    /// The sum of this and a residual like it, and the [`Tensor::layer_norm`] of that sum, in one pass forward and one backward:
    /// what stands between the blocks of a transformer.
    ///
    /// # Errors
    /// As for [`Tensor::layer_norm`], and a residual of another shape or dtype.
    pub fn add_layer_norm(
        &self,
        residual: &Tensor,
        gamma: Option<&Tensor>,
        beta: Option<&Tensor>,
        epsilon: f64,
    ) -> Result<(Tensor, Tensor)> {
        LayerNorm::new(epsilon, true).of_sum(self, residual, gamma, beta)
    }

    /// The sum of this and a residual like it, and the [`Tensor::rms_norm`] of that sum.
    ///
    /// # Errors
    /// As for [`Tensor::add_layer_norm`].
    pub fn add_rms_norm(&self, residual: &Tensor, scale: Option<&Tensor>, epsilon: f64) -> Result<(Tensor, Tensor)> {
        LayerNorm::new(epsilon, false).of_sum(self, residual, scale, None)
    }
}

impl LayerNorm {
    fn new(epsilon: f64, centred: bool) -> LayerNorm {
        LayerNorm { epsilon, centred, residual: false, scale: false, center: false }
    }

    fn run(self, inputs: [Option<&Tensor>; 4]) -> Result<Tensors> {
        let [_, residual, scale, center] = inputs.map(|input| input.is_some());
        let inputs: SmallVec<[&Tensor; 4]> = inputs.into_iter().flatten().collect();
        apply(LayerNorm { residual, scale, center, ..self }, &inputs)
    }

    fn of(self, x: &Tensor, gamma: Option<&Tensor>, beta: Option<&Tensor>) -> Result<Tensor> {
        self.run([Some(x), None, gamma, beta])?.drain(..).next().ok_or_else(outputs_missing)
    }

    fn of_sum(
        self,
        x: &Tensor,
        residual: &Tensor,
        gamma: Option<&Tensor>,
        beta: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let mut outputs = self.run([Some(x), Some(residual), gamma, beta])?.into_iter();
        let (y, sum) = (outputs.next(), outputs.next());
        sum.zip(y).ok_or_else(outputs_missing)
    }

    /// Checks x, and of `rest` first vectors of its last axis and then tensors like x, which are called `other`.
    fn check(&self, op: &'static str, inputs: &[Meta], rest: &[&Meta], vectors: usize, other: &str) -> Result<()> {
        let x = &inputs[0];
        require_float(op, x.dtype)?;
        if x.shape.rank() == 0 {
            return Err(Error::shape(op, "expected at least one axis, got shape ()"));
        }
        let vector = Meta::new(Shape::new(&[x.shape.last()])?, x.dtype.arithmetic());
        for (i, meta) in rest.iter().enumerate() {
            let (want, what) = if i < vectors { (&vector, "each weight") } else { (x, other) };
            if *meta != want {
                let text = format!("expected {want} for {what}, got {meta} among {}", given(inputs));
                return Err(if meta.dtype == want.dtype { Error::shape(op, text) } else { Error::dtype(op, text) });
            }
        }
        if self.epsilon > 0.0 && self.epsilon.is_finite() {
            return Ok(());
        }
        Err(Error::Config(format!("{op}: expected a positive epsilon, got {}", self.epsilon)))
    }

    /// γ and β among the inputs.
    fn vectors<'a>(&self, inputs: &'a [&'a Tensor]) -> [Option<&'a &'a Tensor>; 2] {
        weights(inputs, 1 + usize::from(self.residual), self.scale, self.center)
    }
}

/// Two numbers of each row: its mean, and 1 / √(variance + ε).
fn moments(x: &Meta) -> Result<Meta> {
    Ok(Meta::new(Shape::new(&[x.shape.rows(), 2])?, x.dtype.arithmetic()))
}

fn outputs_missing() -> Error {
    Error::Internal("a layer normalisation has two outputs, and one more with a residual".into())
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        match (self.residual, self.centred) {
            (false, true) => "layer_norm",
            (false, false) => "rms_norm",
            (true, true) => "add_layer_norm",
            (true, false) => "add_rms_norm",
        }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [residual, scale, center] = [self.residual, self.scale, self.center].map(usize::from);
        let expected = 1 + residual + scale + center;
        if inputs.len() != expected {
            let message = format!("expected {expected} tensors, got {}", given(inputs));
            return Err(Error::shape(self.name(), message));
        }
        // The residual last.
        let (like_x, vectors) = inputs[1..].split_at(residual);
        let rest: SmallVec<[&Meta; 3]> = vectors.iter().chain(like_x).collect();
        self.check(self.name(), inputs, &rest, vectors.len(), "the residual")?;
        let x = inputs[0];
        let mut outputs = Metas::from_elem(x, 1 + residual);
        outputs.push(moments(&x)?);
        Ok(outputs)
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), self.name(), T => cpu::forward::<T>(self, inputs, outputs))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        cuda::forward(self, device, inputs, outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        // What is normalised, the moments, and the first vector, which is γ if it is there. What is not there is not kept.
        Some(match self.residual {
            false => Keeps { inputs: &[0, 1], outputs: &[1] },
            true => Keeps { inputs: &[2], outputs: &[1, 2] },
        })
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let residual = usize::from(self.residual);
        let of_sum = if self.residual { node.grad_of(1) } else { None };
        let addends = 1 + residual;
        let of_addends = |gradient: Option<Tensor>| -> Gradients { smallvec::smallvec![gradient; addends] };
        // Where the sum alone was used.
        let Some(dy) = node.grad_of(0) else {
            let mut gradients = of_addends(of_sum.cloned());
            gradients.resize(node.input_count(), None);
            return Ok(gradients);
        };
        let x = if self.residual { node.output(1)? } else { node.input(0)? };
        let gamma = if self.scale { Some(node.input(addends)?) } else { None };
        let beta_at = addends + usize::from(self.scale);
        let op = LayerNormGrad {
            norm: *self,
            of_x: (0..addends).any(|i| node.wants(i)),
            of_gamma: self.scale && node.wants(addends),
            of_beta: self.center && node.wants(beta_at),
            add: of_sum.is_some(),
        };
        let inputs: SmallVec<[&Tensor; 5]> =
            [x].into_iter().chain(gamma).chain([node.output(1 + residual)?, dy]).chain(of_sum).collect();
        let mut found = apply(op, &inputs)?.into_iter();
        let mut next = |wanted: bool| if wanted { found.next() } else { None };
        let mut gradients = of_addends(next(op.of_x));
        gradients.extend(self.scale.then(|| next(op.of_gamma)));
        gradients.extend(self.center.then(|| next(op.of_beta)));
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        let mut case = |shape: &[usize], centred: bool, [residual, scale, center]: [bool; 3]| {
            let op = LayerNorm { epsilon: EPSILON, centred, residual, scale, center };
            let inputs = [
                Some(Sample::new(shape)),
                residual.then(|| Sample::new(shape)),
                scale.then(|| vector(shape, 0.5..1.5)),
                center.then(|| vector(shape, -2.0..2.0)),
            ];
            cases.push(Case::new(op, inputs.into_iter().flatten()).shown(1 + usize::from(residual)));
        };
        for (i, shape) in SHAPES.iter().enumerate() {
            case(shape, i % 2 == 0, [i % 4 > 1, i % 3 > 0, i % 3 > 1]);
        }
        for which in 0..8 {
            let what = [which & 1 > 0, which & 2 > 0, which & 4 > 0];
            case(&[2, 3, 8], true, what);
            case(&[2, 3, 7], false, what);
        }
        cases
    }
}

/// In the tests: large enough that rows of three elements that happen to be close do not magnify roundings.
const EPSILON: f64 = 0.1;

/// What both are tested on.
const SHAPES: &[&[usize]] = &[
    &[5],
    &[0, 5],
    &[5, 0],
    &[33, 10],
    &[7, 1],
    &[13, 1031],
    &[3, 4099],
    &[66_000, 3],
    &[130, 256],
    &[4, 1032],
    &[3, 9000],
    &[9, 513],
];

/// γ or β of a case, in the type that is computed in.
fn vector(shape: &[usize], range: std::ops::Range<f64>) -> Sample {
    Sample::within(shape[shape.len() - 1], range).wide()
}
