//! A part of a tensor along an axis.

use super::copy::{Along, Block, with_word, words, words_mut};
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

/// The backward of [`Slice`]: the gradient of the part, with zeros around it up to `extent` along the axis.
#[derive(Clone, Copy, Debug)]
pub struct SliceGrad {
    axis: isize,
    start: usize,
    extent: usize,
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

/// The block that a part of an array of the shape `whole` is: as rows of their own and as parts of longer rows.
fn block(part: &Shape, whole: &Shape, axis: isize, start: usize) -> Result<(Block, Block)> {
    let axis = whole.axis(axis, "slice")?;
    let Along { outer, count, inner } = Along::new(whole, axis);
    let width = part[axis] * inner;
    let (own, longer) = ((0, width), (start * inner, count * inner));
    let out = Block { rows: outer, width, from: longer, to: own };
    Ok((out, Block { from: own, to: longer, ..out }))
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
        let (out, _) = block(&outputs[0].shape(), &inputs[0].shape(), self.axis, self.start)?;
        with_word!(inputs[0].dtype(), W => out.cpu::<W>(words(inputs[0])?, words_mut(&mut outputs[0])?));
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (out, _) = block(&outputs[0].shape(), &inputs[0].shape(), self.axis, self.start)?;
        out.cuda(device, inputs[0], &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let whole = node.input_meta(0).shape;
        let extent = whole[whole.axis(self.axis, "slice")?];
        let pad = SliceGrad { axis: self.axis, start: self.start, extent };
        Ok(Gradients::from_iter([Some(apply_one(pad, &[node.grad()?])?)]))
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

impl Op for SliceGrad {
    fn name(&self) -> &'static str {
        "slice_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [dy] = inputs else {
            return Err(Error::shape("slice_grad", format!("expected one tensor, got {}", inputs.len())));
        };
        let axis = dy.shape.axis(self.axis, "slice_grad")?;
        if self.start.checked_add(dy.shape[axis]).is_none_or(|end| end > self.extent) {
            let message = format!("{} does not fit into {} from {} on", dy.shape, self.extent, self.start);
            return Err(Error::shape("slice_grad", message));
        }
        Ok(Metas::from_elem(Meta::new(dy.shape.with(axis, self.extent)?, dy.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (_, pad) = block(&inputs[0].shape(), &outputs[0].shape(), self.axis, self.start)?;
        outputs[0].bytes_mut()?.fill(0);
        with_word!(inputs[0].dtype(), W => pad.cpu::<W>(words(inputs[0])?, words_mut(&mut outputs[0])?));
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (_, pad) = block(&inputs[0].shape(), &outputs[0].shape(), self.axis, self.start)?;
        pad.cuda_padded(device, inputs[0], &outputs[0])
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let part = node.input_meta(0).shape;
        let extent = part[part.axis(self.axis, "slice_grad")?];
        Ok(Gradients::from_iter([Some(node.grad()?.slice(self.axis, self.start..self.start + extent)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize], axis: isize, start: usize, extent: usize| {
            Case::new(SliceGrad { axis, start, extent }, [Sample::new(shape)]).dtypes(&DType::ALL)
        };
        vec![
            case(&[28], 0, 3, 33),
            case(&[0], 0, 3, 33),
            case(&[3, 7, 5], 1, 2, 11),
            case(&[66_000, 2], -1, 1, 3),
            case(&[0, 3], 1, 0, 5),
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
