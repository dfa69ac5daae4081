//! Tensors joined along an axis.

use super::copy::{Along, Block, with_word, words, words_mut};
use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};

/// The inputs one behind the other along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Concatenate {
    axis: isize,
}

impl Tensor {
    /// `tensors` one behind the other along `axis`, for any dtype
    /// ([Keras](https://keras.io/api/ops/numpy/#concatenate-function)).
    ///
    /// # Errors
    /// No tensors, dtypes that differ, shapes that differ elsewhere than along `axis`, an axis that they do not have.
    pub fn concatenate(tensors: &[&Tensor], axis: isize) -> Result<Tensor> {
        apply_one(Concatenate { axis }, tensors)
    }
}

impl Concatenate {
    /// The blocks that the inputs are copied as.
    fn blocks<'a>(&self, inputs: &'a [&Tensor], output: &Tensor) -> Result<impl Iterator<Item = Block> + use<'a>> {
        let axis = output.shape().axis(self.axis, "concatenate")?;
        let whole = Along::new(&output.shape(), axis);
        let mut start = 0;
        Ok(inputs.iter().map(move |input| {
            let width = input.shape()[axis] * whole.inner;
            start += width;
            Block { rows: whole.outer, width, from: (0, width), to: (start - width, whole.count * whole.inner) }
        }))
    }
}

impl Op for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let Some(first) = inputs.first() else {
            return Err(Error::shape("concatenate", "expected at least one tensor"));
        };
        let axis = first.shape.axis(self.axis, "concatenate")?;
        let mut extent = 0usize;
        for (i, x) in inputs.iter().enumerate() {
            if x.dtype != first.dtype {
                let message = format!("input 0 is {}, input {i} is {}; cast one of them first", first.dtype, x.dtype);
                return Err(Error::dtype("concatenate", message));
            }
            if x.shape.rank() != first.shape.rank() || x.shape.with(axis, 1)? != first.shape.with(axis, 1)? {
                let message = format!(
                    "input 0 has the shape {}, input {i} has {}: they must agree except along axis {}",
                    first.shape, x.shape, self.axis
                );
                return Err(Error::shape("concatenate", message));
            }
            extent = extent.saturating_add(x.shape[axis]);
        }
        Ok(Metas::from_elem(Meta::new(first.shape.with(axis, extent)?, first.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        for (input, block) in inputs.iter().zip(self.blocks(inputs, &outputs[0])?) {
            with_word!(input.dtype(), W => block.cpu::<W>(words(input)?, words_mut(&mut outputs[0])?));
        }
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        inputs.iter().zip(self.blocks(inputs, &outputs[0])?).try_for_each(|(x, b)| b.cuda(device, x, &outputs[0]))
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let mut start = 0;
        (0..node.input_count())
            .map(|i| {
                let shape = node.input_meta(i).shape;
                let extent = shape[shape.axis(self.axis, "concatenate")?];
                start += extent;
                let part = start - extent..start;
                if node.wants(i) { node.grad()?.slice(self.axis, part).map(Some) } else { Ok(None) }
            })
            .collect()
    }

    fn cases() -> Vec<Case> {
        let case = |axis: isize, shapes: &[&[usize]]| {
            Case::new(Concatenate { axis }, shapes.iter().map(|&s| Sample::new(s))).dtypes(&DType::ALL)
        };
        vec![
            case(0, &[&[5]]),
            case(0, &[&[33], &[0], &[1]]),
            case(-1, &[&[3, 5], &[3, 7], &[3, 1], &[3, 2]]),
            case(1, &[&[2, 3, 5], &[2, 4, 5]]),
            case(0, &[&[0, 3], &[0, 3]]),
            case(1, &[&[66_000, 1], &[66_000, 2]]),
            case(0, &[&[70_001], &[9973]]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_along_an_inner_axis_and_rejects_what_does_not_fit() -> Result<()> {
        let (a, b) = (Tensor::from_slice(&[1u8, 2, 3, 4], [2, 2])?, Tensor::from_slice(&[5u8, 6], [2, 1])?);
        assert_eq!(Tensor::concatenate(&[&a, &b, &a], -1)?.to_vec::<u8>()?, [1, 2, 5, 1, 2, 3, 4, 6, 3, 4]);
        let error = Tensor::concatenate(&[&a, &b], 0).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("(2, 2)") && error.contains("(2, 1)"), "{error}");
        assert!(Tensor::concatenate(&[], 0).is_err());
        assert!(Tensor::concatenate(&[&a, &Tensor::from_slice(&[1f32; 4], [2, 2])?], 0).is_err());
        Ok(())
    }
}
