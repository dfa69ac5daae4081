//! The cross-entropy of logits with class labels.

use super::index::{self, require_labels, with_index};
use super::rows;
use super::softmax_cross_entropy as dense;
use crate::device::cpu::convert::Convert;
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;

/// ln Σ e^x − x[label] over the last axis.
#[derive(Clone, Copy, Debug)]
pub struct SparseSoftmaxCrossEntropy;

/// The backward of [`SparseSoftmaxCrossEntropy`]: (softmax(x) − one_hot(label)) · dy.
#[derive(Clone, Copy, Debug)]
pub struct SparseSoftmaxCrossEntropyGrad;

static FORWARD: Kernel = Kernel::new("cross_entropy", "sparse_softmax_cross_entropy_fwd", FLOATS);
static BACKWARD: Kernel = Kernel::new("cross_entropy", "sparse_softmax_cross_entropy_bwd", FLOATS);

impl Tensor {
    /// The cross-entropy `−ln softmax(x)[label]` of each row of these logits with a class label: logits (…, C) and
    /// `labels` (…) or (…, 1), int32, int64 or uint8, give losses (…), computed as `ln Σ e^x − x[label]`, which is stable
    /// for any logits ([Keras](https://keras.io/api/ops/nn/#sparsecategoricalcrossentropy-function) with `from_logits`).
    ///
    /// A label outside 0..C is an error on the CPU. A CUDA card cannot answer with an error without halting the stream;
    /// there the loss and the gradient of that row are NaN.
    ///
    /// # Errors
    /// Shapes that do not fit, no classes, logits that are no floats, labels of another dtype; on the CPU a label out of
    /// range.
    pub fn sparse_softmax_cross_entropy(&self, labels: &Tensor) -> Result<Tensor> {
        apply_one(SparseSoftmaxCrossEntropy, &[self, labels])
    }
}

fn infer(op: &'static str, logits: &Meta, labels: &Meta) -> Result<Meta> {
    let losses = dense::infer(op, logits)?;
    require_labels(op, labels.dtype)?;
    let column = logits.shape.with(logits.shape.rank() - 1, 1)?;
    let fits = labels.shape == losses.shape || labels.shape == column;
    if !fits {
        let message = format!("logits {} need labels {} or {column}, got {}", logits.shape, losses.shape, labels.shape);
        return Err(Error::shape(op, message));
    }
    Ok(losses)
}

impl Op for SparseSoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        "sparse_softmax_cross_entropy"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x, labels] => Ok(Metas::from_elem(infer("sparse_softmax_cross_entropy", x, labels)?, 1)),
            _ => {
                let message = format!("expected logits and labels, got {}", given(inputs));
                Err(Error::shape("sparse_softmax_cross_entropy", message))
            }
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let count = inputs[0].shape().last();
        with_float!(inputs[0].dtype(), "sparse_softmax_cross_entropy", T => with_index!(inputs[1].dtype(), I => {
            let labels = inputs[1].data::<I>()?;
            index::check("sparse_softmax_cross_entropy", labels, count, "label", "classes")?;
            dense::cpu::<T>(inputs[0], &mut outputs[0], #[inline(always)] |x, first, out| {
                for ((x, label), out) in x.chunks_exact(count).zip(&labels[first..]).zip(out) {
                    *out -= x[label.to_i64() as usize];
                }
            })
        }))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(inputs[0])?,
            Arg::input(inputs[1])?,
            Arg::I32(inputs[1].dtype().size() as i32),
        ];
        dense::cuda(device, &FORWARD, inputs[0], &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0, 1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let gradient = apply_one(SparseSoftmaxCrossEntropyGrad, &[node.input(0)?, node.input(1)?, node.grad()?])?;
        Ok(Gradients::from_iter([Some(gradient), None]))
    }

    fn cases() -> Vec<Case> {
        shapes(|logits, labels, dtype| {
            let labels = Sample::below(labels, logits[logits.len() - 1]).dtype(dtype);
            Case::new(SparseSoftmaxCrossEntropy, [Sample::new(logits), labels])
        })
    }
}

/// Shapes of logits and labels that both ops are tested on.
fn shapes(case: impl Fn(&[usize], &[usize], DType) -> Case) -> Vec<Case> {
    vec![
        case(&[1], &[], DType::I32),
        case(&[0, 5], &[0], DType::U8),
        case(&[33, 10], &[33], DType::I32),
        case(&[33, 10], &[33, 1], DType::U8),
        case(&[13, 1031], &[13], DType::I64),
        case(&[2, 4099], &[2], DType::I32),
        case(&[3, 5, 7], &[3, 5], DType::I64),
        case(&[66_000, 3], &[66_000], DType::U8),
    ]
}

impl Op for SparseSoftmaxCrossEntropyGrad {
    fn name(&self) -> &'static str {
        "sparse_softmax_cross_entropy_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [x, labels, dy] if infer("sparse_softmax_cross_entropy_grad", x, labels)? == *dy => {
                Ok(Metas::from_elem(*x, 1))
            }
            _ => {
                let message = format!("expected logits, labels and the losses' gradient, got {}", given(inputs));
                Err(Error::shape("sparse_softmax_cross_entropy_grad", message))
            }
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        const NAME: &str = "sparse_softmax_cross_entropy_grad";
        let count = inputs[0].shape().last();
        with_float!(inputs[0].dtype(), NAME, T => with_index!(inputs[1].dtype(), I => {
            let (x, labels, dy) = (inputs[0].data::<T>()?, inputs[1].data::<I>()?, inputs[2].data::<T>()?);
            index::check(NAME, labels, count, "label", "classes")?;
            threads::split_rows(outputs[0].data_mut::<T>()?, count, rows::grain(count), |first, out| {
                gradient(&x[first * count..first * count + out.len()], &labels[first..], &dy[first..], out, count);
            });
            Ok(())
        }))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(inputs[0])?,
            Arg::input(inputs[1])?,
            Arg::I32(inputs[1].dtype().size() as i32),
            Arg::input(inputs[2])?,
        ];
        dense::cuda(device, &BACKWARD, inputs[0], &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        shapes(|logits, labels, dtype| {
            let (&classes, losses) = logits.split_last().unwrap_or((&1, &[]));
            let labels = Sample::below(labels, classes).dtype(dtype);
            Case::new(SparseSoftmaxCrossEntropyGrad, [Sample::new(logits), labels, Sample::new(losses)])
        })
    }
}

fn gradient<T: Float, I: Convert>(x: &[T], labels: &[I], dy: &[T], out: &mut [T], count: usize) {
    let (group, mut shifts) = (rows::group(count), rows::shifts());
    let size = group * count;
    let groups = x.chunks(size).zip(labels.chunks(group)).zip(dy.chunks(group)).zip(out.chunks_mut(size));
    T::vectorize(
        #[inline(always)]
        || {
            for (((x, labels), dy), out) in groups {
                rows::exponentials(x, count, out, &mut shifts);
                for ((label, &dy), out) in labels.iter().zip(dy).zip(out.chunks_exact_mut(count)) {
                    let scale = dy / rows::sum(out);
                    out.iter_mut().for_each(|p| *p = (*p * scale).flush());
                    let hot = &mut out[label.to_i64() as usize];
                    *hot = (*hot - dy).flush();
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_one_hot_targets() -> Result<()> {
        for (rows, classes) in [(33, 10), (5, 3001)] {
            let x: Vec<f64> = (0..rows * classes).map(|i| (i * 7 % 131) as f64 / 30.0 - 2.0).collect();
            let x = Tensor::from_slice(&x, [rows, classes])?;
            let labels =
                Tensor::from_slice(&(0..rows as i32).map(|i| i * 3 % classes as i32).collect::<Vec<_>>(), [rows, 1])?;
            let sparse = x.sparse_softmax_cross_entropy(&labels)?.to_vec::<f64>()?;
            let hot = labels.reshape(rows)?.one_hot(classes, DType::F64)?;
            for (a, b) in sparse.iter().zip(x.softmax_cross_entropy(&hot)?.to_vec::<f64>()?) {
                assert!((a - b).abs() < 1e-12, "{a} {b}");
            }
        }
        Ok(())
    }

    #[test]
    fn names_the_label_that_is_out_of_range() -> Result<()> {
        let x = Tensor::from_slice(&[0f32; 6], [2, 3])?;
        let error = x.sparse_softmax_cross_entropy(&Tensor::from_slice(&[2, 3], 2)?).err().map(|e| e.to_string());
        let want = "sparse_softmax_cross_entropy: the label 3 at place 1 is out of range: there are 3 classes";
        assert_eq!(error.as_deref(), Some(want));
        let error = x.sparse_softmax_cross_entropy(&Tensor::from_slice(&[2, 1, 0], 3)?).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("(2, 3)") && e.contains("(3,)")));
        Ok(())
    }
}
