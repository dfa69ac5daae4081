//! A tensor with a number around it along an axis.

use super::copy::{Along, Block, with_word, word, words, words_mut};
use crate::device::cpu::convert::Convert;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::{DType, as_bytes};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_dtype;

/// `before` and `after` elements of one value around those of x along an axis. Its backward is a slice, and that of a
/// slice is this with zeros.
#[derive(Clone, Copy, Debug)]
pub struct Pad {
    pub(super) axis: isize,
    pub(super) before: usize,
    pub(super) after: usize,
    pub(super) value: f64,
}

static PAD: Kernel = Kernel::new("copy", "copy_pad", super::copy::WORDS);

impl Tensor {
    /// `before` and `after` elements of `value` around those along `axis`, for any dtype
    /// ([Keras](https://keras.io/api/ops/numpy/#pad-function)).
    ///
    /// # Errors
    /// An axis that the tensor does not have, an extent that no memory holds.
    pub fn pad(&self, axis: isize, before: usize, after: usize, value: f64) -> Result<Tensor> {
        apply_one(Pad { axis, before, after, value }, &[self])
    }
}

impl Pad {
    /// Where x lies in the output: the rows that it consists of, and the longer ones of the output.
    fn block(&self, x: &Meta) -> Result<Block> {
        let Along { outer, count, inner } = Along::new(&x.shape, x.shape.axis(self.axis, "pad")?);
        let (width, pitch) = (count * inner, (self.before + count + self.after) * inner);
        Ok(Block { rows: outer, width, from: (0, width), to: (self.before * inner, pitch) })
    }
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x] = inputs else {
            return Err(Error::shape("pad", format!("expected one tensor, got {}", inputs.len())));
        };
        let axis = x.shape.axis(self.axis, "pad")?;
        let extent = x.shape[axis].saturating_add(self.before).saturating_add(self.after);
        Ok(Metas::from_elem(Meta::new(x.shape.with(axis, extent)?, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, out) = (inputs[0], &mut outputs[0]);
        with_dtype!(x.dtype(), T => out.data_mut::<T>()?.fill(T::from_f64(self.value)));
        let block = self.block(&x.meta())?;
        with_word!(x.dtype(), W => block.cpu::<W>(words(x)?, words_mut(out)?));
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, out) = (inputs[0], &outputs[0]);
        let Block { width, to: (start, pitch), .. } = self.block(&x.meta())?;
        let mut bits = [0; 8];
        with_dtype!(x.dtype(), T => {
            let value = [T::from_f64(self.value)];
            bits[..size_of::<T>()].copy_from_slice(as_bytes(&value));
        });
        let n = out.shape().size();
        let [n_arg, width, start, pitch] = [n, width, start, pitch].map(|x| Arg::I64(x as i64));
        let value = Arg::I64(i64::from_le_bytes(bits));
        let args = [Arg::output(out)?, Arg::input(x)?, n_arg, width, start, pitch, value];
        device.launch(&PAD, word(x.dtype()), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let x = node.input_meta(0).shape;
        let extent = x[x.axis(self.axis, "pad")?];
        Ok(Gradients::from_iter([Some(node.grad()?.slice(self.axis, self.before..self.before + extent)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize], axis: isize, before: usize, after: usize, value: f64| {
            Case::new(Pad { axis, before, after, value }, [Sample::new(shape)]).dtypes(&DType::ALL)
        };
        vec![
            case(&[28], 0, 3, 2, 0.0),
            case(&[0], 0, 3, 30, 1.0),
            case(&[3, 7, 5], 1, 2, 2, 2.0),
            case(&[66_000, 2], -1, 1, 0, 0.0),
            case(&[0, 3], 1, 0, 2, 0.0),
            case(&[5, 0], 1, 0, 3, 3.0),
            case(&[2, 3], 0, 0, 0, 1.0),
        ]
    }
}
