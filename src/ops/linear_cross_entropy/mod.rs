//! The cross-entropy of a linear layer's logits with class labels, which never stores the logits of all rows.

mod cpu;
mod cuda;
#[cfg(test)]
mod tests;

use super::index::require_labels;
use crate::device::cpu::convert::require_float;
use crate::device::cuda::CudaDevice;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::profile;
use crate::shape::Shape;
use crate::tensor::{
    Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given, require_one_dtype,
};
use smallvec::SmallVec;
use std::ops::Range;

/// Σ factor · (ln Σ e^z − z[label]) over the rows of x, with z = x · kernel + bias.
///
/// Rows go through in chunks, and with the losses of a chunk its part of all gradients is formed, so that its logits are needed
/// no longer (as in Hsu et al., *Liger Kernel*, 2024, and Wijmans et al., *Cut your losses*, 2025): a vocabulary makes them the
/// largest tensor of a small language model by far. The gradients are those of the sum; the backward multiplies them by what
/// flows into it. Inputs: x, kernel, bias if there is one, labels, factors. Outputs: the sum and the rows' losses; while a tape
/// records the gradients of x, kernel and bias too.
#[derive(Clone, Copy, Debug)]
pub struct LinearCrossEntropy {
    /// Whether the kernel stands transposed, `(classes, features)`.
    transposed: bool,
    bias: bool,
    /// Whether the gradients are formed.
    record: bool,
    /// Logits of a chunk, at most, but of at least some rows.
    chunk: usize,
}

/// Logits of a chunk: on the CPU so many that packing the kernel and adding to its gradient, which each chunk does, cost little;
/// on a card those of rows enough to fill it.
const ON_CPU: usize = 1 << 22;
const ON_CARD: usize = 1 << 27;
/// Rows of a chunk are a multiple of this, whole tiles of products.
const ROWS: usize = 64;

impl Tensor {
    /// `Σ factors · crossentropy(labels, self · kernel + bias)`, one number: rows (…, features), kernel (features, classes) or, if
    /// `transposed`, (classes, features), bias (classes), labels (…) or (…, 1) of int32, int64 or uint8, `factors` (…) in the dtype
    /// that arithmetic on the rows' is done in: what the loss of each row counts, 1 / rows for their mean. The losses are those of
    /// [`Tensor::sparse_softmax_cross_entropy`] of the logits, which are only ever there for some rows at a time.
    ///
    /// A label out of range is an error on the CPU; on a CUDA card the sum is NaN.
    ///
    /// # Errors
    /// Shapes that do not fit, no classes, dtypes that differ or are no floats, labels of another dtype; on the CPU a label out
    /// of range.
    pub fn linear_cross_entropy(
        &self,
        (kernel, transposed): (&Tensor, bool),
        bias: Option<&Tensor>,
        labels: &Tensor,
        factors: &Tensor,
    ) -> Result<Tensor> {
        let inputs: SmallVec<[&Tensor; 5]> = [self, kernel].into_iter().chain(bias).chain([labels, factors]).collect();
        let record = inputs.iter().any(|t| t.origin().is_some());
        let chunk = if self.device().is_cpu() { ON_CPU } else { ON_CARD };
        apply_one(LinearCrossEntropy { transposed, bias: bias.is_some(), record, chunk }, &inputs)
    }
}

const NAME: &str = "linear_cross_entropy";

/// The inputs by what they are.
struct Inputs<'a> {
    x: &'a Tensor,
    kernel: &'a Tensor,
    bias: Option<&'a Tensor>,
    labels: &'a Tensor,
    factors: &'a Tensor,
}

/// Rows, features, classes.
#[derive(Clone, Copy)]
struct Sizes {
    rows: usize,
    features: usize,
    classes: usize,
}

impl Sizes {
    /// The rows of each chunk.
    fn chunks(&self, logits: usize) -> impl Iterator<Item = Range<usize>> + Clone {
        let count = self.rows.div_ceil((logits / self.classes.max(1)).max(ROWS)).max(1);
        let (rows, chunk) = (self.rows, self.rows.div_ceil(count).next_multiple_of(ROWS).max(ROWS));
        (0..rows).step_by(chunk).map(move |start| start..(start + chunk).min(rows))
    }
}

impl LinearCrossEntropy {
    fn split<'a>(&self, inputs: &[&'a Tensor]) -> (Inputs<'a>, Sizes) {
        let at = 2 + usize::from(self.bias);
        let (x, kernel) = (inputs[0], inputs[1]);
        let bias = self.bias.then(|| inputs[2]);
        let classes = kernel.shape()[usize::from(!self.transposed)];
        let sizes = Sizes { rows: x.shape().rows(), features: x.shape().last(), classes };
        // Forward, and the gradients of both factors.
        let products = if self.record { 3 } else { 1 };
        profile::operations(products * 2 * sizes.rows * sizes.features * sizes.classes);
        (Inputs { x, kernel, bias, labels: inputs[at], factors: inputs[at + 1] }, sizes)
    }
}

impl Op for LinearCrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let wrong = |what: &str| Error::shape(NAME, format!("{what}, got {}", given(inputs)));
        let count = 2 + usize::from(self.bias);
        let (Some((floats, [labels, factors])), true) = (inputs.split_at_checked(count), inputs.len() == count + 2)
        else {
            return Err(wrong("expected rows, a kernel, a bias if there is one, labels and factors"));
        };
        let (x, kernel) = (&floats[0], &floats[1]);
        require_float(NAME, x.dtype)?;
        require_one_dtype(NAME, floats)?;
        require_labels(NAME, labels.dtype)?;
        let (Some((features, rows)), &[down, across]) = (x.shape.split_last(), kernel.shape.dims()) else {
            return Err(wrong("expected rows with a last axis and a kernel of 2 axes"));
        };
        let (of_rows, classes) = if self.transposed { (across, down) } else { (down, across) };
        if of_rows != *features {
            return Err(wrong(&format!("expected rows of {of_rows} features")));
        }
        if classes == 0 {
            return Err(wrong("expected at least one class"));
        }
        if floats.get(2).is_some_and(|bias| bias.shape.dims() != [classes]) {
            return Err(wrong(&format!("expected a bias of shape ({classes},)")));
        }
        let column = x.shape.with(x.shape.rank() - 1, 1)?;
        let rows = Shape::new(rows)?;
        if labels.shape != rows && labels.shape != column {
            return Err(wrong(&format!("expected labels {rows} or {column}")));
        }
        let dtype = x.dtype.arithmetic();
        if *factors != Meta::new(rows, dtype) {
            return Err(wrong(&format!("expected factors {dtype} {rows}")));
        }
        let mut outputs = Metas::from_iter([Meta::new(Shape::SCALAR, dtype), Meta::new(rows, dtype)]);
        outputs.extend(floats.iter().filter(|_| self.record).copied());
        Ok(outputs)
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (inputs, sizes) = self.split(inputs);
        cpu::run(self, &inputs, sizes, outputs)
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (inputs, sizes) = self.split(inputs);
        cuda::run(self, device, &inputs, sizes, outputs)
    }

    fn keeps(&self) -> Option<Keeps> {
        // What is not there is not kept.
        Some(Keeps::outputs(&[1, 2, 3, 4]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let upstream = node.grad()?;
        let times = |gradient: &Tensor| gradient.mul(&upstream.cast(gradient.dtype())?).map(Some);
        let mut gradients = Gradients::new();
        for i in 0..2 + usize::from(self.bias) {
            gradients.push(if node.wants(i) { times(node.output(2 + i)?)? } else { None });
        }
        gradients.push(None);
        gradients.push(if node.wants(gradients.len()) { times(node.output(1)?)? } else { None });
        Ok(gradients)
    }

    fn cases() -> Vec<Case> {
        let case = |x: &[usize], classes: usize, transposed: bool, bias: bool, dtype: DType| {
            let (&features, rows) = x.split_last().unwrap_or((&1, &[]));
            let kernel = if transposed { [classes, features] } else { [features, classes] };
            let mut inputs = vec![Sample::new(x), Sample::within(kernel, -0.5..0.5)];
            inputs.extend(bias.then(|| Sample::new(classes)));
            inputs.push(Sample::below(rows, classes).dtype(dtype));
            inputs.push(Sample::within(rows, 0.0..1.0).wide());
            Case::new(LinearCrossEntropy { transposed, bias, record: true, chunk: 1 << 16 }, inputs).shown(1)
        };
        vec![
            case(&[1, 1], 1, false, true, DType::I32),
            case(&[5, 3], 7, false, false, DType::U8),
            case(&[2, 3, 7], 5, true, true, DType::I64),
            case(&[0, 3], 4, false, true, DType::I32),
            case(&[4, 0], 5, true, false, DType::I32),
            case(&[131, 5], 33, false, true, DType::I32),
            case(&[3, 4], 4099, true, true, DType::I32),
            // Of three chunks.
            case(&[150, 2], 1031, false, true, DType::I32),
            case(&[130, 9], 1031, true, false, DType::I32),
        ]
    }
}
