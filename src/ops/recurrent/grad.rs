//! The backward of a pass.

use super::{Cell, Extents, Kind, Recurrence, cases, cpu_back, cuda};
use crate::device::cuda::CudaDevice;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Tensor, apply, given};
use smallvec::SmallVec;
use std::marker::PhantomData;

/// The op of the backward of a cell's pass: the gradients of the input, of the weights, and of the first states.
#[derive(Clone, Copy, Debug)]
pub struct Back<K>(pub(super) Grad, pub(super) PhantomData<K>);

/// What the ops of the backward of all cells are: what the forward was, and which gradients there are and are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Grad {
    pub(super) recurrence: Recurrence,
    pub(super) dx: bool,
    pub(super) dy: bool,
    pub(super) d_states: bool,
}

/// The inputs of such an op by what they are.
pub struct GradInputs<'a> {
    pub x: &'a Tensor,
    pub kernel: &'a Tensor,
    pub recurrent_kernel: &'a Tensor,
    pub kept: &'a Tensor,
    pub dy: Option<&'a Tensor>,
    pub d_states: Option<&'a Tensor>,
    pub mask: Option<&'a Tensor>,
    pub dropout: Option<(&'a Tensor, f64)>,
}

impl GradInputs<'_> {
    pub(super) fn extents(&self) -> Extents {
        Extents::of(self.x, self.recurrent_kernel)
    }
}

impl Grad {
    pub(super) fn split<'a>(&self, inputs: &[&'a Tensor]) -> GradInputs<'a> {
        let mut rest = inputs[4..].iter().copied();
        let mut next = |given: bool| if given { rest.next() } else { None };
        GradInputs {
            x: inputs[0],
            kernel: inputs[1],
            recurrent_kernel: inputs[2],
            kept: inputs[3],
            dy: next(self.dy),
            d_states: next(self.d_states),
            mask: next(self.recurrence.mask),
            dropout: next(self.recurrence.dropout.is_some()).zip(self.recurrence.dropout),
        }
    }

    /// The gradients of the input, of the weights, and of the first states. Those of the weights are rows of one tensor: the
    /// kernel's, the bias's two, the recurrent kernel's.
    pub(super) fn infer(&self, cell: &Cell, inputs: &[Meta]) -> Result<Metas> {
        let op = &self.recurrence;
        let flags = [self.dy, self.d_states, op.mask, op.dropout.is_some()];
        let wrong = || Error::shape(cell.grad, format!("the shapes do not fit: {}", given(inputs)));
        let [x, kernel, recurrent, kept, rest @ ..] = inputs else { return Err(wrong()) };
        let ([batch, steps, features], [units, width]) = (x.shape.dims(), recurrent.shape.dims()) else {
            return Err(wrong());
        };
        let at = Extents { steps: *steps, batch: *batch, features: *features, units: *units };
        let state = Shape::new(&[cell.states, at.batch, at.units])?;
        let y = match op.pass.sequences {
            true => Shape::new(&[at.batch, at.steps, at.units])?,
            false => Shape::new(&[at.batch, at.units])?,
        };
        let shapes = [y, state, Shape::new(&[*batch, *steps])?, Shape::new(&[cell.gates, *batch, *units])?];
        let wanted = shapes.into_iter().zip(flags).filter(|(_, given)| *given).map(|(shape, _)| shape);
        let fits = *width == cell.gates * units
            && kernel.shape.dims() == [*features, *width]
            && kept.shape.dims() == [op.layout(cell, at).rows(), *batch, *units]
            && rest.iter().map(|m| m.shape).eq(wanted);
        if !fits {
            return Err(wrong());
        }
        let dx = if self.dx { x.shape } else { Shape::new(&[0])? };
        let shapes = [dx, Shape::new(&[features + units + 2, *width])?, state];
        Ok(shapes.into_iter().map(|shape| Meta::new(shape, x.dtype)).collect())
    }
}

impl Recurrence {
    /// The gradients of the inputs.
    pub(super) fn backward<K: Kind>(&self, node: &Backward) -> Result<Gradients> {
        let mut place = 3 + [self.bias, self.initial].into_iter().filter(|&given| given).count();
        let mut next = |given: bool| -> Result<Option<&Tensor>> {
            let tensor = if given { Some(node.input(place)?) } else { None };
            place += usize::from(given);
            Ok(tensor)
        };
        let (mask, dropout) = (next(self.mask)?, next(self.dropout.is_some())?);
        let (dy, d_states) = (node.grad_of(0), node.grad_of(1));
        let grad = Grad { recurrence: *self, dx: node.wants(0), dy: dy.is_some(), d_states: d_states.is_some() };
        let given = [dy, d_states, mask, dropout];
        let read = [node.input(0)?, node.input(1)?, node.input(2)?, node.output(2)?];
        let inputs: SmallVec<[&Tensor; 8]> = read.into_iter().chain(given.into_iter().flatten()).collect();
        let outputs = apply(Back::<K>(grad, PhantomData), &inputs)?;
        let [dx, d_weights, d_initial] = &outputs[..] else {
            return Err(Error::Internal(format!("{} has three outputs", K::CELL.grad)));
        };
        let (features, units) = (node.input_meta(1).shape[0], node.input_meta(2).shape[0]);
        let mut first = 0;
        let mut rows = |count: usize| {
            first += count;
            d_weights.slice(0, first - count..first)
        };
        let mut gradients = Gradients::new();
        let (d_kernel, mut d_bias, d_recurrent) = (rows(features)?, rows(2)?, rows(units)?);
        if !K::CELL.apart {
            d_bias = d_bias.slice(0, 0..1)?.reshape([d_bias.shape().last()])?;
        }
        gradients.push(grad.dx.then(|| dx.clone()));
        gradients.extend([Some(d_kernel), Some(d_recurrent)]);
        gradients.extend(self.bias.then_some(Some(d_bias)));
        gradients.extend(self.initial.then(|| Some(d_initial.clone())));
        gradients.extend(std::iter::repeat_n(None, usize::from(self.mask) + usize::from(self.dropout.is_some())));
        Ok(gradients)
    }
}

impl<K: Kind> Op for Back<K> {
    fn name(&self) -> &'static str {
        K::CELL.grad
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        self.0.infer(&K::CELL, inputs)
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.0.split(inputs);
        inputs.extents().count(&K::CELL, 2);
        cpu_back::backward::<K>(&self.0, &inputs, outputs)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let inputs = self.0.split(inputs);
        inputs.extents().count(&K::CELL, 2);
        cuda::backward::<K>(&self.0, device, &inputs, outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        cases::backward::<K>()
    }
}
