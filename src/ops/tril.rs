//! The lower triangle of matrices.

use super::copy::{WORDS, with_word, word, words, words_mut};
use crate::device::cpu::threads;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use bytemuck::Zeroable;

/// x where its column is at most its row and `diagonal`, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Tril {
    diagonal: i64,
}

static KERNEL: Kernel = Kernel::new("copy", "copy_tril", WORDS);

impl Tensor {
    /// The matrices of the last two axes with zeros above the diagonal of this number, which counts from the main one
    /// to the right, for any dtype ([Keras](https://keras.io/api/ops/numpy/#tril-function)).
    ///
    /// # Errors
    /// Fewer than two axes.
    pub fn tril(&self, diagonal: i64) -> Result<Tensor> {
        apply_one(Tril { diagonal }, &[self])
    }
}

impl Op for Tril {
    fn name(&self) -> &'static str {
        "tril"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x] if x.shape.rank() >= 2 => Ok(Metas::from_elem(*x, 1)),
            [x] => Err(Error::shape("tril", format!("expected at least 2 axes, got shape {}", x.shape))),
            _ => Err(Error::shape("tril", format!("expected one tensor, got {}", inputs.len()))),
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, out) = (inputs[0], &mut outputs[0]);
        let (height, width) = sides(x);
        with_word!(x.dtype(), W => {
            let (x, out) = (words::<W>(x)?, words_mut::<W>(out)?);
            threads::split_rows(out, width, (1usize << 14).div_ceil(width.max(1)), |first, out| {
                for (row, out) in (first..).zip(out.chunks_exact_mut(width)) {
                    let columns = (row % height) as i64 + self.diagonal.saturating_add(1).min(width as i64);
                    let kept = columns.clamp(0, width as i64) as usize;
                    out[..kept].copy_from_slice(&x[row * width..row * width + kept]);
                    out[kept..].fill(W::zeroed());
                }
            });
        });
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, out) = (inputs[0], &outputs[0]);
        let (height, width) = sides(x);
        let n = out.shape().size();
        let [n_arg, height, width] = [n, height, width].map(|x| Arg::I64(x as i64));
        let diagonal = Arg::I64(self.diagonal.clamp(-(i64::MAX / 4), i64::MAX / 4));
        let args = [Arg::output(out)?, Arg::input(x)?, n_arg, height, width, diagonal];
        device.launch(&KERNEL, word(x.dtype()), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::NOTHING)
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        Ok(Gradients::from_iter([Some(node.grad()?.tril(self.diagonal)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize], diagonal| Case::new(Tril { diagonal }, [Sample::new(shape)]).dtypes(&DType::ALL);
        vec![
            case(&[1, 1], 0),
            case(&[5, 7], 0),
            case(&[7, 5], -2),
            case(&[3, 4, 33], 2),
            case(&[2, 0, 3], 0),
            case(&[2, 3, 0], 0),
            case(&[3, 3], -7),
            case(&[3, 3], i64::MAX),
        ]
    }
}

/// Rows and columns of a matrix.
fn sides(x: &Tensor) -> (usize, usize) {
    match *x.shape() {
        [.., height, width] => (height, width),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_below_the_diagonal() -> Result<()> {
        let ones = Tensor::ones(&crate::device::Device::Cpu, [2, 3], DType::Bool)?;
        assert_eq!(ones.tril(0)?.to_vec::<bool>()?, [true, false, false, true, true, false]);
        assert_eq!(ones.tril(-1)?.to_vec::<bool>()?, [false, false, false, true, false, false]);
        assert!(Tensor::scalar(1f32)?.tril(0).is_err());
        Ok(())
    }
}
