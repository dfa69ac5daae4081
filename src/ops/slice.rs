//! A part of a tensor along an axis.

use super::copy::{Along, Block, with_word, words, words_mut};
use crate::device::Device;
use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use std::ops::Range;

/// The elements from `start` to before `end` along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    axis: isize,
    start: usize,
    end: usize,
}

impl Tensor {
    /// The elements `range` along `axis`, for any dtype; it copies.
    ///
    /// # Errors
    /// An axis that the tensor does not have, a range that reaches past its extent or runs backwards.
    pub fn slice(&self, axis: isize, range: Range<usize>) -> Result<Tensor> {
        apply_one(Slice { axis, start: range.start, end: range.end }, &[self])
    }
}

impl Tensor {
    /// Writes `part` into the elements of this one from `start` on along `axis`, in place where nothing else shares them: for
    /// memory that grows, which no tape records.
    ///
    /// # Errors
    /// A part of another dtype or shape, or one that reaches past the end.
    pub(crate) fn write_slice(&mut self, axis: usize, start: usize, part: &Tensor) -> Result<()> {
        let (shape, of) = (self.shape(), part.shape());
        let end = start + of.get(axis).copied().unwrap_or(0);
        let fits = axis < shape.rank()
            && shape.rank() == of.rank()
            && end <= shape[axis]
            && of.with(axis, shape[axis])? == shape
            && self.dtype() == part.dtype();
        if !fits {
            let message =
                format!("{} does not fit into {} from {start} on along axis {axis}", part.meta(), self.meta());
            return Err(Error::shape("write_slice", message));
        }
        self.make_unique()?;
        let Along { outer, count, inner } = Along::new(&shape, axis);
        let width = of[axis] * inner;
        let block = Block { rows: outer, width, from: (0, width), to: (start * inner, count * inner) };
        match self.device() {
            Device::Cpu => with_word!(part.dtype(), W => block.cpu::<W>(words(part)?, words_mut(self)?)),
            Device::Cuda(device) => block.cuda(&device, part, self)?,
        }
        Ok(())
    }
}

impl Slice {
    /// The part as rows of the longer ones of x, and as rows of its own.
    fn block(&self, x: &Shape) -> Result<Block> {
        let Along { outer, count, inner } = Along::new(x, x.axis(self.axis, "slice")?);
        let width = (self.end - self.start) * inner;
        Ok(Block { rows: outer, width, from: (self.start * inner, count * inner), to: (0, width) })
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x] = inputs else {
            return Err(Error::shape("slice", format!("expected one tensor, got {}", inputs.len())));
        };
        let axis = x.shape.axis(self.axis, "slice")?;
        if self.start > self.end || self.end > x.shape[axis] {
            let Slice { axis, start, end } = self;
            let message = format!("{start}..{end} is no part of axis {axis} of the shape {}", x.shape);
            return Err(Error::shape("slice", message));
        }
        Ok(Metas::from_elem(Meta::new(x.shape.with(axis, self.end - self.start)?, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let block = self.block(&inputs[0].shape())?;
        with_word!(inputs[0].dtype(), W => block.cpu::<W>(words(inputs[0])?, words_mut(&mut outputs[0])?));
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        self.block(&inputs[0].shape())?.cuda(device, inputs[0], &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let whole = node.input_meta(0).shape;
        let after = whole[whole.axis(self.axis, "slice")?] - self.end;
        Ok(Gradients::from_iter([Some(node.grad()?.pad(self.axis, self.start, after, 0.0)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize], axis: isize, range: Range<usize>| {
            let op = Slice { axis, start: range.start, end: range.end };
            Case::new(op, [Sample::new(shape)]).dtypes(&DType::ALL)
        };
        vec![
            case(&[33], 0, 3..31),
            case(&[33], 0, 5..5),
            case(&[0, 3], 1, 1..2),
            case(&[5, 7], 1, 6..7),
            case(&[3, 11, 5], 1, 2..9),
            case(&[3, 11, 5], -3, 0..3),
            case(&[66_000, 3], -1, 1..3),
            case(&[70_001], 0, 1..70_000),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_part_and_pads_its_gradient() -> Result<()> {
        let x = Tensor::from_slice(&[0f32, 1., 2., 3., 4., 5.], [2, 3])?;
        assert_eq!(x.slice(1, 1..3)?.to_vec::<f32>()?, [1., 2., 4., 5.]);
        let tape = crate::GradientTape::new();
        let x = tape.watch(&x)?;
        let gradient = tape.gradient(&x.slice(1, 1..3)?, &[&x])?.remove(0);
        assert_eq!(gradient.map(|g| g.to_vec::<f32>()).transpose()?, Some(vec![0., 1., 1., 0., 1., 1.]));
        #[allow(clippy::reversed_empty_ranges)]
        let backwards = 2..1;
        assert!(x.slice(0, 1..3).is_err() && x.slice(1, backwards).is_err() && x.slice(2, 0..1).is_err());
        Ok(())
    }
}
