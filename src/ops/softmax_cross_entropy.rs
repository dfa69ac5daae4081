//! The cross-entropy of logits with a distribution.

use super::rows;
use crate::device::cpu::convert::require_float;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{
    Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given, require_one_dtype,
};
use crate::with_float;

/// Σ t · (ln Σ e^x − x) over the last axis.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxCrossEntropy;

/// The backward of [`SoftmaxCrossEntropy`]: (softmax(x) · Σ t − t) · dy, or (ln Σ e^x − x) · dy for the targets.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxCrossEntropyGrad {
    of_targets: bool,
}

static FORWARD: Kernel = Kernel::new("cross_entropy", "softmax_cross_entropy_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("cross_entropy", "softmax_cross_entropy_bwd", FLOATS);

impl Tensor {
    /// The categorical cross-entropy −Σ t · ln softmax(x) of each row of these logits with a distribution: logits and
    /// `targets` (…, C) give losses (…), computed as Σ t · (ln Σ e^x − x), which is stable for any logits
    /// ([Keras](https://keras.io/api/ops/nn/#categoricalcrossentropy-function) with `from_logits`).
    ///
    /// The targets need not sum to 1. A class whose target is 0 adds 0, also where its logit is −∞.
    ///
    /// # Errors
    /// Shapes or dtypes that differ, no classes, a dtype that is no float.
    pub fn softmax_cross_entropy(&self, targets: &Tensor) -> Result<Tensor> {
        apply_one(SoftmaxCrossEntropy, &[self, targets])
    }
}

/// The losses' meta for logits with at least one class.
pub(super) fn infer(op: &'static str, logits: &Meta) -> Result<Meta> {
    require_float(op, logits.dtype)?;
    match logits.shape.split_last() {
        None | Some((0, _)) => {
            Err(Error::shape(op, format!("expected logits (…, classes) of at least one class, got {}", logits.shape)))
        }
        Some(_) => Ok(Meta::new(logits.shape.without(logits.shape.rank() - 1), logits.dtype)),
    }
}

/// Runs `work(logits, first row, losses)` on the CPU for rows in pieces that threads take, where `losses` holds ln Σ e^x.
pub(super) fn cpu<T: Float>(
    logits: &Tensor,
    out: &mut Tensor,
    work: impl Fn(&[T], usize, &mut [T]) + Sync,
) -> Result<()> {
    let (count, x) = (logits.shape().last(), logits.data::<T>()?);
    threads::split_rows(out.data_mut::<T>()?, 1, rows::grain(count), |first, out| {
        let x = &x[first * count..(first + out.len()) * count];
        T::vectorize(
            #[inline(always)]
            || {
                rows::log_sum_exp(x, count, out);
                work(x, first, out);
            },
        );
    });
    Ok(())
}

/// Launches a cross-entropy kernel over the rows of `logits`: `kernel(pointers and more…, rows, count, team)`.
pub(super) fn cuda(device: &CudaDevice, kernel: &Kernel, logits: &Tensor, first: &[Arg]) -> Result<()> {
    let (rows, count) = (logits.shape().rows(), logits.shape().last());
    let (grid, team) = rows::team(rows, count, 1);
    let mut args = smallvec::SmallVec::<[Arg; 8]>::from_slice(first);
    args.extend([Arg::I64(rows as i64), Arg::I64(count as i64), team]);
    device.launch(kernel, logits.dtype(), grid, &args)
}

impl Op for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        require_one_dtype("softmax_cross_entropy", inputs)?;
        match inputs {
            [x, targets] if x == targets => Ok(Metas::from_elem(infer("softmax_cross_entropy", x)?, 1)),
            _ => {
                let message = format!("expected logits and targets of one shape and dtype, got {}", given(inputs));
                Err(Error::shape("softmax_cross_entropy", message))
            }
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let count = inputs[0].shape().last();
        with_float!(inputs[0].dtype(), "softmax_cross_entropy", T => {
            let targets = inputs[1].data::<T>()?;
            cpu::<T>(inputs[0], &mut outputs[0], #[inline(always)] |x, first, out| {
                let rows = x.chunks_exact(count).zip(targets[first * count..].chunks_exact(count));
                for ((x, t), out) in rows.zip(out) {
                    let log = *out;
                    *out = rows::total(x, t, |x, t| if t == 0.0 { 0.0 } else { t * (log - x) });
                }
            })
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let args = [Arg::output(&outputs[0])?, Arg::input(inputs[0])?, Arg::input(inputs[1])?];
        cuda(device, &FORWARD, inputs[0], &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0, 1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let inputs = [node.input(0)?, node.input(1)?, node.grad()?];
        let gradient = |i: usize| match node.wants(i) {
            true => apply_one(SoftmaxCrossEntropyGrad { of_targets: i == 1 }, &inputs).map(Some),
            false => Ok(None),
        };
        Ok(Gradients::from_iter([gradient(0)?, gradient(1)?]))
    }

    fn cases() -> Vec<Case> {
        let shapes: [&[usize]; 8] =
            [&[1], &[0, 5], &[33, 10], &[7, 1], &[13, 1031], &[2, 4099], &[3, 5, 7], &[66_000, 3]];
        let case = |shape| Case::new(SoftmaxCrossEntropy, [Sample::new(shape), Sample::within(shape, 0.0..1.0)]);
        shapes.into_iter().map(case).collect()
    }
}

impl Op for SoftmaxCrossEntropyGrad {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x, targets, dy] if x == targets && infer("softmax_cross_entropy_grad", x)? == *dy => {
                Ok(Metas::from_elem(*x, 1))
            }
            _ => {
                let message = format!("expected logits, targets and the losses' gradient, got {}", given(inputs));
                Err(Error::shape("softmax_cross_entropy_grad", message))
            }
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let count = inputs[0].shape().last();
        with_float!(inputs[0].dtype(), "softmax_cross_entropy_grad", T => {
            let (x, t, dy) = (inputs[0].data::<T>()?, inputs[1].data::<T>()?, inputs[2].data::<T>()?);
            threads::split_rows(outputs[0].data_mut::<T>()?, count, rows::grain(count), |first, out| {
                let part = first * count..first * count + out.len();
                gradient(&x[part.clone()], &t[part], &dy[first..], out, count, self.of_targets);
            });
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(inputs[0])?,
            Arg::input(inputs[1])?,
            Arg::input(inputs[2])?,
            Arg::I32(self.of_targets.into()),
        ];
        cuda(device, &BACKWARD, inputs[0], &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let shapes: [&[usize]; 6] = [&[1], &[0, 5], &[33, 10], &[13, 1031], &[2, 4099], &[66_000, 3]];
        let case = |of_targets: bool, shape: &[usize]| {
            let inputs = [Sample::new(shape), Sample::within(shape, 0.0..1.0), Sample::new(&shape[..shape.len() - 1])];
            Case::new(SoftmaxCrossEntropyGrad { of_targets }, inputs)
        };
        shapes.into_iter().flat_map(|shape| [case(false, shape), case(true, shape)]).collect()
    }
}

fn gradient<T: Float>(x: &[T], t: &[T], dy: &[T], out: &mut [T], count: usize, of_targets: bool) {
    let (group, mut shifts) = (rows::group(count), rows::shifts());
    let size = group * count;
    T::vectorize(
        #[inline(always)]
        || {
            for (((x, t), dy), out) in
                x.chunks(size).zip(t.chunks(size)).zip(dy.chunks(group)).zip(out.chunks_mut(size))
            {
                rows::exponentials(x, count, out, &mut shifts);
                let rows = x.chunks_exact(count).zip(t.chunks_exact(count)).zip(dy).zip(&shifts);
                for (out, (((x, t), &dy), &shift)) in out.chunks_exact_mut(count).zip(rows) {
                    let total = rows::sum(out);
                    if of_targets {
                        let log = shift + total.ln();
                        out.iter_mut().zip(x).for_each(|(out, &x)| *out = (log - x) * dy);
                    } else {
                        let scale = rows::sum(t) / total;
                        out.iter_mut().zip(t).for_each(|(out, &t)| *out = ((*out * scale - t) * dy).flush());
                    }
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_does_not_fit() -> Result<()> {
        let x = Tensor::from_slice(&[0f32; 6], [2, 3])?;
        let error = x.softmax_cross_entropy(&x.reshape([3, 2])?).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("(2, 3)") && error.contains("(3, 2)"), "{error}");
        let none = Tensor::from_slice::<f32>(&[], [2, 0])?;
        assert!(none.softmax_cross_entropy(&none).is_err());
        Ok(())
    }
}
