//! Layer and root mean square normalisation.

use super::rows;
use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{
    Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given, require_one_dtype,
};
use crate::with_float;

/// (x − mean) / √(mean of (x − mean)² + ε) · γ + β over the last axis; not centred, with 0 for the mean.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    epsilon: f64,
    centred: bool,
}

/// The backward of [`LayerNorm`] for x, from x, γ if there is one, and dy: with g = dy · γ and n the normalised x,
/// dx = (g − mean g − n · mean(g · n)) / √(…); not centred, the mean of g stays.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormGrad(LayerNorm);

static FORWARD: Kernel = Kernel::new("layer_norm", "layer_norm_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("layer_norm", "layer_norm_bwd", FLOATS);

impl Tensor {
    /// The rows of the last axis with the mean 0 and the variance 1, (x − mean) / √(variance + ε), times `gamma` and plus
    /// `beta` where they are given; `gamma` must be there for `beta` to be. Both have the last axis's extent
    /// ([Keras](https://keras.io/api/ops/nn/#layer_normalization-function), [paper](https://arxiv.org/abs/1607.06450)).
    ///
    /// One pass forward and one backward for x; the variance is taken about the mean, so that it keeps its digits.
    ///
    /// # Errors
    /// No axis, a `gamma` or `beta` of another shape, dtypes that differ or are no floats, an ε that is not positive.
    pub fn layer_norm(&self, gamma: Option<&Tensor>, beta: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        LayerNorm { epsilon, centred: true }.of(self, gamma, beta)
    }

    /// The rows of the last axis divided by their root mean square, x / √(mean x² + ε), times `scale` if it is given
    /// ([Keras](https://keras.io/api/ops/nn/#rms_normalization-function), [paper](https://arxiv.org/abs/1910.07467)).
    ///
    /// # Errors
    /// As for [`Tensor::layer_norm`].
    pub fn rms_norm(&self, scale: Option<&Tensor>, epsilon: f64) -> Result<Tensor> {
        LayerNorm { epsilon, centred: false }.of(self, scale, None)
    }
}

impl LayerNorm {
    fn of(self, x: &Tensor, gamma: Option<&Tensor>, beta: Option<&Tensor>) -> Result<Tensor> {
        match (gamma, beta) {
            (None, None) => apply_one(self, &[x]),
            (Some(gamma), None) => apply_one(self, &[x, gamma]),
            (Some(gamma), Some(beta)) => apply_one(self, &[x, gamma, beta]),
            (None, Some(_)) => Err(Error::Config("layer_norm: expected a gamma beside the beta".into())),
        }
    }

    /// Checks x, and vectors of its last axis.
    fn check(&self, op: &'static str, x: &Meta, vectors: &[Meta]) -> Result<()> {
        require_float(op, x.dtype)?;
        let count = x.shape.last();
        if x.shape.rank() == 0 {
            return Err(Error::shape(op, "expected at least one axis, got shape ()"));
        }
        if let Some(v) = vectors.iter().find(|v| v.shape.dims() != [count]) {
            return Err(Error::shape(op, format!("expected gamma and beta of shape ({count},), got {}", v.shape)));
        }
        if self.epsilon > 0.0 && self.epsilon.is_finite() {
            return Ok(());
        }
        Err(Error::Config(format!("{op}: expected a positive epsilon, got {}", self.epsilon)))
    }

    /// A row's mean, and 1 / √(variance + ε).
    #[inline(always)]
    fn moments<T: Float>(&self, x: &[T]) -> (T, T) {
        let count = T::of(x.len() as f64);
        let mean = if self.centred { rows::sum(x) / count } else { T::ZERO };
        let squares = rows::total(x, x, |x, _| (x - mean) * (x - mean));
        (mean, T::ONE / (squares / count + T::of(self.epsilon)).sqrt())
    }

    /// Launches `kernel(out, x, gamma, last, rows, count, ε, centred, team)`.
    fn launch(&self, device: &CudaDevice, kernel: &Kernel, x: &Tensor, pointers: [Arg; 2], out: &Tensor) -> Result<()> {
        let count = x.shape().last();
        let rows = x.shape().size().checked_div(count).unwrap_or(0);
        let (grid, team) = rows::team(rows, count, 1);
        let sizes = [rows, count].map(|n| Arg::I64(n as i64));
        let [gamma, last] = pointers;
        let (epsilon, centred) = (Arg::F64(self.epsilon), Arg::I32(i32::from(self.centred)));
        let (out, x_at) = (Arg::output(out)?, Arg::input(x)?);
        let args = [out, x_at, gamma, last, sizes[0], sizes[1], epsilon, centred, team];
        device.launch(kernel, x.dtype(), grid, &args)
    }
}

/// The argument for a tensor that may not be there.
fn optional(tensor: Option<&&Tensor>) -> Result<Arg> {
    tensor.map_or(Ok(Arg::Ptr(0)), |t| Arg::input(*t))
}

impl Op for LayerNorm {
    fn name(&self) -> &'static str {
        if self.centred { "layer_norm" } else { "rms_norm" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let (Some((x, vectors)), 1..=3) = (inputs.split_first(), inputs.len()) else {
            let message = format!("expected a tensor and at most a gamma and a beta, got {}", given(inputs));
            return Err(Error::shape(self.name(), message));
        };
        require_one_dtype(self.name(), inputs)?;
        self.check(self.name(), x, vectors)?;
        Ok(Metas::from_elem(*x, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let count = inputs[0].shape().last();
        with_float!(inputs[0].dtype(), "layer_norm", T => {
            let x = inputs[0].data::<T>()?;
            let gamma = inputs.get(1).map(|t| t.data::<T>()).transpose()?;
            let beta = inputs.get(2).map(|t| t.data::<T>()).transpose()?;
            threads::split_rows(outputs[0].data_mut::<T>()?, count, rows::grain(count), |first, out| {
                let x = &x[first * count..first * count + out.len()];
                T::vectorize(#[inline(always)] || {
                    for (x, out) in x.chunks_exact(count).zip(out.chunks_exact_mut(count)) {
                        let (mean, scale) = self.moments(x);
                        out.iter_mut().zip(x).for_each(|(out, &x)| *out = (x - mean) * scale);
                        if let Some(gamma) = gamma {
                            out.iter_mut().zip(gamma).for_each(|(out, &gamma)| *out *= gamma);
                        }
                        if let Some(beta) = beta {
                            out.iter_mut().zip(beta).for_each(|(out, &beta)| *out += beta);
                        }
                    }
                });
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let pointers = [optional(inputs.get(1))?, optional(inputs.get(2))?];
        self.launch(device, &FORWARD, inputs[0], pointers, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        // What is not there is not kept.
        Some(Keeps::inputs(&[0, 1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let (x, dy) = (node.input(0)?, node.grad()?);
        let mut gradients = Gradients::new();
        gradients.push(match (node.wants(0), node.input_count()) {
            (false, _) => None,
            (true, 1) => Some(apply_one(LayerNormGrad(*self), &[x, dy])?),
            (true, _) => Some(apply_one(LayerNormGrad(*self), &[x, node.input(1)?, dy])?),
        });
        let leading: smallvec::SmallVec<[isize; 8]> = (0..x.shape().rank() as isize - 1).collect();
        // A sum over no axes would be one over all.
        let over_rows = |t: Tensor| if leading.is_empty() { Ok(t) } else { t.sum(&leading, false) };
        if node.input_count() > 1 {
            let wanted = node.wants(1).then(|| over_rows(dy.mul(&self.of(x, None, None)?)?));
            gradients.push(wanted.transpose()?);
        }
        if node.input_count() > 2 {
            gradients.push(node.wants(2).then(|| over_rows(dy.clone())).transpose()?);
        }
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for (i, shape) in SHAPES.iter().enumerate() {
            let count = shape[shape.len() - 1];
            let vectors = if *shape == [2, 3, 7] { 0..=2 } else { i % 3..=i % 3 };
            for vectors in vectors {
                let inputs = [Sample::new(*shape), Sample::within(count, 0.5..1.5), Sample::new(count)];
                let centred = vectors == 2 || i % 2 == 0;
                let op = LayerNorm { epsilon: EPSILON, centred };
                let given = if centred { vectors } else { vectors.min(1) };
                cases.push(Case::new(op, inputs.into_iter().take(1 + given)));
            }
        }
        cases
    }
}

impl Op for LayerNormGrad {
    fn name(&self) -> &'static str {
        if self.0.centred { "layer_norm_grad" } else { "rms_norm_grad" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let (x, gamma, dy) = match inputs {
            [x, dy] => (x, &[][..], dy),
            [x, gamma, dy] => (x, std::slice::from_ref(gamma), dy),
            _ => {
                return Err(Error::shape(self.name(), format!("expected two or three tensors, got {}", given(inputs))));
            }
        };
        require_one_dtype(self.name(), inputs)?;
        if x != dy {
            return Err(Error::shape(self.name(), format!("expected x and dy of one shape, got {}", given(inputs))));
        }
        self.0.check(self.name(), x, gamma)?;
        Ok(Metas::from_elem(*x, 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let count = inputs[0].shape().last();
        with_float!(inputs[0].dtype(), "layer_norm_grad", T => {
            let (x, dy) = (inputs[0].data::<T>()?, inputs[inputs.len() - 1].data::<T>()?);
            let gamma = if inputs.len() > 2 { Some(inputs[1].data::<T>()?) } else { None };
            let divisor = <T as Float>::of(count as f64);
            threads::split_rows(outputs[0].data_mut::<T>()?, count, rows::grain(count), |first, out| {
                let part = first * count..first * count + out.len();
                let (x, dy) = (&x[part.clone()], &dy[part]);
                T::vectorize(#[inline(always)] || {
                    let each = x.chunks_exact(count).zip(dy.chunks_exact(count)).zip(out.chunks_exact_mut(count));
                    for ((x, dy), out) in each {
                        let (mean, scale) = self.0.moments(x);
                        match gamma {
                            Some(gamma) => out.iter_mut().zip(dy).zip(gamma).for_each(|((g, &dy), &gamma)| *g = dy * gamma),
                            None => out.copy_from_slice(dy),
                        }
                        let sum = if self.0.centred { rows::sum(out) / divisor } else { 0.0 };
                        let product = rows::total(out, x, |g, x| g * (x - mean)) * scale / divisor;
                        for (g, &x) in out.iter_mut().zip(x) {
                            *g = Float::flush(scale * (*g - sum - (x - mean) * scale * product));
                        }
                    }
                });
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let gamma = if inputs.len() > 2 { inputs.get(1) } else { None };
        let pointers = [optional(gamma)?, Arg::input(inputs[inputs.len() - 1])?];
        self.0.launch(device, &BACKWARD, inputs[0], pointers, &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |(i, shape): (usize, &&[usize])| {
            let op = LayerNormGrad(LayerNorm { epsilon: EPSILON, centred: i % 2 == 0 });
            let gamma = (i % 3 > 0).then(|| Sample::within(shape[shape.len() - 1], 0.5..1.5));
            let inputs = [Some(Sample::new(*shape)), gamma, Some(Sample::new(*shape))];
            Case::new(op, inputs.into_iter().flatten())
        };
        SHAPES.iter().enumerate().map(case).collect()
    }
}

/// In the tests: large enough that rows of three elements that happen to be close do not magnify roundings.
const EPSILON: f64 = 0.1;

/// What both are tested on.
const SHAPES: &[&[usize]] =
    &[&[5], &[0, 5], &[5, 0], &[33, 10], &[7, 1], &[2, 3, 7], &[13, 1031], &[3, 4099], &[66_000, 3]];
