//! Class labels as indicator vectors.

use super::index::{require_labels, with_index};
use crate::device::cpu::convert::{Convert, require_float};
use crate::device::cpu::threads;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_float;
use smallvec::SmallVec;

/// `out[…, c] = 1` where the label is `c`, else 0.
#[derive(Clone, Copy, Debug)]
pub struct OneHot {
    classes: usize,
    dtype: DType,
}

static ONE_HOT: Kernel = Kernel::new("one_hot", "one_hot_fwd", FLOATS);

impl Tensor {
    /// Labels (int32, int64 or uint8, of any shape) as vectors of `classes` elements of the floating-point type `dtype`:
    /// 1 at the label, 0 elsewhere. A label out of range gives a row of zeros, as in
    /// [Keras](https://keras.io/api/ops/nn/#one_hot-function).
    ///
    /// # Errors
    /// Labels of another dtype, a `dtype` that is no float, more axes than a tensor can have.
    pub fn one_hot(&self, classes: usize, dtype: DType) -> Result<Tensor> {
        apply_one(OneHot { classes, dtype }, &[self])
    }
}

impl Op for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [labels] = inputs else {
            return Err(Error::shape("one_hot", format!("expected one tensor, got {}", inputs.len())));
        };
        require_labels("one_hot", labels.dtype)?;
        require_float("one_hot", self.dtype)?;
        let extents: SmallVec<[usize; MAX_RANK + 1]> = labels.shape.iter().copied().chain([self.classes]).collect();
        Ok(Metas::from_elem(Meta::new(Shape::new(&extents)?, self.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (out, classes) = (&mut outputs[0], self.classes);
        with_float!(out.dtype(), "one_hot", T => with_index!(inputs[0].dtype(), I => {
            let labels = inputs[0].data::<I>()?;
            threads::split_rows(out.data_mut::<T>()?, classes, (1usize << 15).div_ceil(classes.max(1)), |first, out| {
                out.fill(0.0);
                for (row, label) in out.chunks_exact_mut(classes).zip(&labels[first..]) {
                    if let Some(hot) = usize::try_from(label.to_i64()).ok().and_then(|label| row.get_mut(label)) {
                        *hot = 1.0;
                    }
                }
            });
            Ok(())
        }))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = outputs[0].shape().size();
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(inputs[0])?,
            Arg::I32(inputs[0].dtype().size() as i32),
            Arg::I64(n as i64),
            Arg::I64(self.classes as i64),
        ];
        device.launch(&ONE_HOT, self.dtype, Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |dtype: DType, labels: DType, shape: &[usize], classes: usize| {
            // Some labels are out of range.
            let labels = Sample::below(shape, classes + 2).dtype(labels);
            Case::new(OneHot { classes, dtype }, [labels]).dtypes(&[DType::F32])
        };
        let mut cases = vec![case(DType::F32, DType::I32, &[66_000], 3), case(DType::F32, DType::I64, &[], 1)];
        for &dtype in FLOATS {
            cases.push(case(dtype, DType::I32, &[33], 10));
            cases.push(case(dtype, DType::I64, &[3, 7], 31));
            cases.push(case(dtype, DType::U8, &[0], 5));
            cases.push(case(dtype, DType::U8, &[129], 253));
        }
        cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_out_of_range_gives_zeros() -> Result<()> {
        let labels = Tensor::from_slice(&[1, 3, -1, 0], [2, 2])?;
        let hot = labels.one_hot(3, DType::F32)?;
        assert_eq!(hot.shape().dims(), [2, 2, 3]);
        assert_eq!(hot.to_vec::<f32>()?, [0., 1., 0., 0., 0., 0., 0., 0., 0., 1., 0., 0.]);
        assert!(labels.one_hot(3, DType::I32).is_err());
        assert!(Tensor::scalar(1f32)?.one_hot(3, DType::F32).is_err());
        Ok(())
    }
}
