//! Where the largest element is.

use super::copy::Along;
use crate::device::cpu::threads;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use crate::with_dtype;

/// The index of the largest element along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Argmax(isize);

static ARGMAX: Kernel = Kernel::new("argmax", "argmax_fwd", &DType::ALL);

impl Tensor {
    /// The index of the largest element along `axis`, which falls away, as `int32`
    /// ([Keras](https://keras.io/api/ops/numpy/#argmax-function)).
    ///
    /// Of equal elements the first; of NaNs the first before all numbers, as in NumPy. No gradient.
    ///
    /// # Errors
    /// An axis that the tensor does not have, that is empty, or that is longer than an `int32` can count.
    pub fn argmax(&self, axis: isize) -> Result<Tensor> {
        apply_one(Argmax(axis), &[self])
    }
}

impl Op for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x] = inputs else {
            return Err(Error::shape("argmax", format!("expected one tensor, got {}", inputs.len())));
        };
        let axis = x.shape.axis(self.0, "argmax")?;
        if x.shape[axis] == 0 || i32::try_from(x.shape[axis]).is_err() {
            let message =
                format!("expected 1 to {} elements along axis {}, got the shape {}", i32::MAX, self.0, x.shape);
            return Err(Error::shape("argmax", message));
        }
        Ok(Metas::from_elem(Meta::new(x.shape.without(axis), DType::I32), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, axis) = (inputs[0], inputs[0].shape().axis(self.0, "argmax")?);
        let Along { count, inner, .. } = Along::new(&x.shape(), axis);
        with_dtype!(x.dtype(), T => {
            let x = x.data::<T>()?;
            threads::split_rows(outputs[0].data_mut::<i32>()?, 1, (1usize << 14).div_ceil(count), |first, out| {
                for (o, out) in out.iter_mut().enumerate().map(|(i, out)| (first + i, out)) {
                    *out = largest(x, o / inner * count * inner + o % inner, inner, count) as i32;
                }
            });
        });
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let shape = inputs[0].shape();
        let Along { outer, count, inner } = Along::new(&shape, shape.axis(self.0, "argmax")?);
        // As many of a block's 256 threads share an output as it has elements; those of neighbouring outputs beside them.
        let lanes = count.next_power_of_two().min(if inner == 1 { 256 } else { 8 });
        let grid = Grid::rows((outer * inner).div_ceil(256 / lanes), 256);
        let numbers = [outer * inner, count, inner, lanes].map(|n| Arg::I64(n as i64));
        let args = [Arg::input(inputs[0])?, Arg::output(&outputs[0])?, numbers[0], numbers[1], numbers[2], numbers[3]];
        device.launch(&ARGMAX, inputs[0].dtype(), grid, &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Err(Error::Internal("argmax has no gradient".into()))
    }

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize], axis| Case::new(Argmax(axis), [Sample::new(shape)]).dtypes(&DType::ALL);
        vec![
            case(&[1], 0),
            case(&[0, 3], 1),
            case(&[33, 10], -1),
            case(&[257, 1031], 0),
            case(&[3, 70_001], 1),
            case(&[3, 5, 7], 1),
        ]
    }
}

#[allow(clippy::eq_op)]
fn largest<T: Element + PartialOrd>(x: &[T], start: usize, step: usize, count: usize) -> usize {
    let mut best = (0, x[start]);
    for i in 1..count {
        let value = x[start + i * step];
        let (is_nan, best_is_nan) = (value != value, best.1 != best.1);
        if value > best.1 || (is_nan && !best_is_nan) {
            best = (i, value);
        }
    }
    best.0
}
