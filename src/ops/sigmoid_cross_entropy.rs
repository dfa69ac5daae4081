//! The binary cross-entropy of logits.

use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{
    Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given, require_one_dtype,
};
use crate::with_float;

/// max(x, 0) − x·z + ln(1 + e^−|x|) element by element.
#[derive(Clone, Copy, Debug)]
pub struct SigmoidCrossEntropy;

/// The backward of [`SigmoidCrossEntropy`]: (σ(x) − z) · dy, or −x · dy for the targets.
#[derive(Clone, Copy, Debug)]
pub struct SigmoidCrossEntropyGrad {
    of_targets: bool,
}

static FORWARD: Kernel = Kernel::new("cross_entropy", "sigmoid_cross_entropy_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("cross_entropy", "sigmoid_cross_entropy_bwd", FLOATS);
/// Pieces smaller than this are not worth another thread.
const GRAIN: usize = 1 << 13;

impl Tensor {
    /// The binary cross-entropy −z ln σ(x) − (1 − z) ln(1 − σ(x)) of these logits x with `targets` z in [0, 1], element
    /// by element, computed as max(x, 0) − x·z + ln(1 + e^−|x|), which is stable for any logit
    /// ([Keras](https://keras.io/api/ops/nn/#binarycrossentropy-function) with `from_logits`).
    ///
    /// # Errors
    /// Shapes or dtypes that differ, a dtype that is no float.
    pub fn sigmoid_cross_entropy(&self, targets: &Tensor) -> Result<Tensor> {
        apply_one(SigmoidCrossEntropy, &[self, targets])
    }
}

impl Op for SigmoidCrossEntropy {
    fn name(&self) -> &'static str {
        "sigmoid_cross_entropy"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        require_one_dtype("sigmoid_cross_entropy", inputs)?;
        match inputs {
            [x, z] if x == z => require_float("sigmoid_cross_entropy", x.dtype).map(|()| Metas::from_elem(*x, 1)),
            _ => {
                let message = format!("expected logits and targets of one shape and dtype, got {}", given(inputs));
                Err(Error::shape("sigmoid_cross_entropy", message))
            }
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "sigmoid_cross_entropy", T => {
            let (x, z) = (inputs[0].data::<T>()?, inputs[1].data::<T>()?);
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, GRAIN, |start, out| {
                let part = start..start + out.len();
                forward(&x[part.clone()], &z[part], out);
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let args = [Arg::output(&outputs[0])?, Arg::input(inputs[0])?, Arg::input(inputs[1])?, Arg::I64(n as i64)];
        device.launch(&FORWARD, inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0, 1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let inputs = [node.input(0)?, node.input(1)?, node.grad()?];
        let gradient = |i: usize| match node.wants(i) {
            true => apply_one(SigmoidCrossEntropyGrad { of_targets: i == 1 }, &inputs).map(Some),
            false => Ok(None),
        };
        Ok(Gradients::from_iter([gradient(0)?, gradient(1)?]))
    }

    fn cases() -> Vec<Case> {
        let shapes: [&[usize]; 5] = [&[], &[0], &[33], &[7, 131], &[70_001]];
        let case = |shape| Case::new(SigmoidCrossEntropy, [Sample::new(shape), Sample::within(shape, 0.0..1.0)]);
        shapes.into_iter().map(case).collect()
    }
}

impl Op for SigmoidCrossEntropyGrad {
    fn name(&self) -> &'static str {
        "sigmoid_cross_entropy_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x, z, dy] if x == z && x == dy => {
                require_float("sigmoid_cross_entropy_grad", x.dtype).map(|()| Metas::from_elem(*x, 1))
            }
            _ => {
                let message =
                    format!("expected logits, targets and a gradient of one shape and dtype, got {}", given(inputs));
                Err(Error::shape("sigmoid_cross_entropy_grad", message))
            }
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "sigmoid_cross_entropy_grad", T => {
            let (x, z, dy) = (inputs[0].data::<T>()?, inputs[1].data::<T>()?, inputs[2].data::<T>()?);
            threads::split_rows(outputs[0].data_mut::<T>()?, 1, GRAIN, |start, out| {
                let part = start..start + out.len();
                gradient(&x[part.clone()], &z[part.clone()], &dy[part], out, self.of_targets);
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(inputs[0])?,
            Arg::input(inputs[1])?,
            Arg::input(inputs[2])?,
            Arg::I32(self.of_targets.into()),
            Arg::I64(n as i64),
        ];
        device.launch(&BACKWARD, inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |of_targets: bool, n: usize| {
            let inputs = [Sample::new(n), Sample::within(n, 0.0..1.0), Sample::new(n)];
            Case::new(SigmoidCrossEntropyGrad { of_targets }, inputs)
        };
        [0, 1, 1021].into_iter().flat_map(|n| [case(false, n), case(true, n)]).collect()
    }
}

fn forward<T: Float>(x: &[T], z: &[T], out: &mut [T]) {
    T::vectorize(
        #[inline(always)]
        || {
            for ((out, &x), &z) in out.iter_mut().zip(x).zip(z) {
                *out = x.maximum(T::ZERO) - x * z + (-x.abs()).exp().ln_1p();
            }
        },
    );
}

fn gradient<T: Float>(x: &[T], z: &[T], dy: &[T], out: &mut [T], of_targets: bool) {
    T::vectorize(
        #[inline(always)]
        || {
            let rows = out.iter_mut().zip(x).zip(z).zip(dy);
            if of_targets {
                rows.for_each(|(((out, &x), _), &dy)| *out = -x * dy);
            } else {
                rows.for_each(|(((out, &x), &z), &dy)| *out = ((x.sigmoid() - z) * dy).flush());
            }
        },
    );
}
