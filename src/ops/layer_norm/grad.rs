//! The backward of layer normalisation: all gradients in one op.

use super::{EPSILON, LayerNorm, SHAPES, cpu, cuda, moments, vector};
use crate::device::cuda::CudaDevice;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, given};
use crate::with_float;
use smallvec::SmallVec;

/// The gradients of a [`LayerNorm`]: with g = dy · γ and n the normalised x, dx = (g − mean g − n · mean(g · n)) / √(…), where
/// the mean of g stays if it is not centred; dγ = Σ dy · n and dβ = Σ dy over all rows.
///
/// Inputs: what was normalised, γ if it is there, the rows' moments, dy, and if `add` the gradient of what was normalised that
/// comes from elsewhere, which is added to dx. Outputs are those of the gradients that are wanted.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormGrad {
    pub(super) norm: LayerNorm,
    pub(super) of_x: bool,
    pub(super) of_gamma: bool,
    pub(super) of_beta: bool,
    pub(super) add: bool,
}

/// The inputs by what they are.
pub(super) struct Inputs<'a> {
    pub x: &'a Tensor,
    pub gamma: Option<&'a Tensor>,
    pub moments: &'a Tensor,
    pub dy: &'a Tensor,
    pub ds: Option<&'a Tensor>,
}

impl LayerNormGrad {
    pub(super) fn inputs<'a>(&self, inputs: &[&'a Tensor]) -> Inputs<'a> {
        let at = 1 + usize::from(self.norm.scale);
        Inputs {
            x: inputs[0],
            gamma: self.norm.scale.then(|| inputs[1]),
            moments: inputs[at],
            dy: inputs[at + 1],
            ds: self.add.then(|| inputs[at + 2]),
        }
    }

    /// The outputs by what they are: dx, and dγ and dβ.
    pub(super) fn outputs<'a>(&self, outputs: &'a mut [Tensor]) -> (Option<&'a mut Tensor>, &'a mut [Tensor]) {
        let (dx, sums) = outputs.split_at_mut(usize::from(self.of_x));
        (dx.first_mut(), sums)
    }
}

impl Op for LayerNormGrad {
    fn name(&self) -> &'static str {
        if self.norm.centred { "layer_norm_grad" } else { "rms_norm_grad" }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let (scale, add) = (usize::from(self.norm.scale), usize::from(self.add));
        if inputs.len() != 3 + scale + add {
            let message = format!("expected {} tensors, got {}", 3 + scale + add, given(inputs));
            return Err(Error::shape(self.name(), message));
        }
        let x = inputs[0];
        let (vectors, rest) = inputs[1..].split_at(scale);
        let like_x: SmallVec<[&Meta; 4]> = vectors.iter().chain(&rest[1..]).collect();
        self.norm.check(self.name(), inputs, &like_x, scale, "each gradient")?;
        let want = moments(&x)?;
        if rest[0] != want {
            return Err(Error::shape(self.name(), format!("expected moments {want}, got {}", given(inputs))));
        }
        let vector = Meta::new(crate::Shape::new(&[x.shape.last()])?, x.dtype.arithmetic());
        let outputs = [self.of_x.then_some(x), self.of_gamma.then_some(vector), self.of_beta.then_some(vector)];
        Ok(outputs.into_iter().flatten().collect())
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), self.name(), T => cpu::backward::<T>(self, &self.inputs(inputs), outputs))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        cuda::backward(self, device, &self.inputs(inputs), outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        let mut case =
            |shape: &[usize], centred: bool, [scale, add]: [bool; 2], [of_x, of_gamma, of_beta]: [bool; 3]| {
                let norm = LayerNorm { scale, ..LayerNorm::new(EPSILON, centred) };
                let op = LayerNormGrad { norm, of_x, of_gamma, of_beta, add };
                let rows: usize = shape[..shape.len() - 1].iter().product();
                let inputs = [
                    Some(Sample::new(shape)),
                    scale.then(|| vector(shape, 0.5..1.5)),
                    Some(Sample::within([rows, 2], 0.5..1.5).wide()),
                    Some(Sample::new(shape)),
                    add.then(|| Sample::new(shape)),
                ];
                cases.push(Case::new(op, inputs.into_iter().flatten()));
            };
        for (i, shape) in SHAPES.iter().enumerate() {
            case(shape, i % 2 == 0, [i % 3 > 0, i % 4 > 1], [true; 3]);
        }
        for which in 1..8 {
            let wanted = [which & 1 > 0, which & 2 > 0, which & 4 > 0];
            case(&[2, 3, 8], which % 2 > 0, [true, false], wanted);
            case(&[37, 7], which % 2 == 0, [false, true], wanted);
        }
        cases
    }
}
