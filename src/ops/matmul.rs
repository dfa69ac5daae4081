//! Matrix products.

use crate::device::cpu::convert::require_float;
use crate::device::cpu::gemm::{View, gemm};
use crate::device::cuda::{CudaDevice, Product};
use crate::error::{Error, Result};
use crate::profile;
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, require_one_dtype};
use crate::with_float;

/// A·B over the last two axes, each operand transposed on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matmul {
    /// Whether the last two axes of A change places.
    pub transpose_a: bool,
    /// Whether the last two axes of B change places.
    pub transpose_b: bool,
}

impl Tensor {
    /// The matrix product over the last two axes: `(…, m, k) · (…, k, n) → (…, m, n)`.
    ///
    /// The axes before them are a batch: both tensors have the same, or one of them has none and serves the whole batch
    /// (NumPy would stretch batch axes of 1 too; [`Tensor::broadcast_to`] does).
    /// Floating-point, one dtype ([Keras](https://keras.io/api/ops/numpy/#matmul-function)).
    ///
    /// # Errors
    /// Fewer than two axes, inner extents or batch axes that differ, dtypes that differ or are no floats.
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        self.matmul_with(other, false, false)
    }

    /// [`Tensor::matmul`] with the last two axes of either operand swapped, without a copy.
    ///
    /// # Errors
    /// As for [`Tensor::matmul`].
    pub fn matmul_with(&self, other: &Tensor, transpose_a: bool, transpose_b: bool) -> Result<Tensor> {
        apply_one(Matmul { transpose_a, transpose_b }, &[self, other])
    }
}

/// The extents of a product, and how far the operands' matrices of a batch stand apart.
#[derive(Clone, Copy, Debug)]
struct Extents {
    m: usize,
    n: usize,
    k: usize,
    batch: usize,
    stride_a: usize,
    stride_b: usize,
    out: Shape,
}

impl Extents {
    fn count(&self) {
        profile::operations(2 * self.batch * self.m * self.n * self.k);
    }
}

impl Matmul {
    fn extents(&self, a: &Shape, b: &Shape) -> Result<Extents> {
        let fail = |why: &str| {
            let mark = |t| if t { " transposed" } else { "" };
            let message = format!("{a}{} times {b}{}: {why}", mark(self.transpose_a), mark(self.transpose_b));
            Err(Error::shape("matmul", message))
        };
        let ([a_batch @ .., a0, a1], [b_batch @ .., b0, b1]) = (a.dims(), b.dims()) else {
            return fail("expected at least two axes each");
        };
        let (m, k) = if self.transpose_a { (*a1, *a0) } else { (*a0, *a1) };
        let (k_b, n) = if self.transpose_b { (*b1, *b0) } else { (*b0, *b1) };
        if k != k_b {
            return fail(&format!("the inner extents {k} and {k_b} differ"));
        }
        if !a_batch.is_empty() && !b_batch.is_empty() && a_batch != b_batch {
            return fail("the batch axes differ");
        }
        let lead = if a_batch.is_empty() { b_batch } else { a_batch };
        let mut dims = smallvec::SmallVec::<[usize; 8]>::from_slice(lead);
        dims.extend([m, n]);
        let stride = |batch: &[usize], size| if batch.is_empty() { 0 } else { size };
        let batch = lead.iter().product();
        let (stride_a, stride_b, out) = (stride(a_batch, m * k), stride(b_batch, k * n), Shape::new(&dims)?);
        // One B for a batch of row-major A is one product with all rows of A.
        if b_batch.is_empty() && !self.transpose_a {
            return Ok(Extents { m: batch * m, n, k, batch: 1, stride_a: 0, stride_b: 0, out });
        }
        Ok(Extents { m, n, k, batch, stride_a, stride_b, out })
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [a, b] = inputs else {
            return Err(Error::shape("matmul", format!("expected two tensors, got {}", inputs.len())));
        };
        require_float("matmul", a.dtype)?;
        require_one_dtype("matmul", inputs)?;
        Ok(Metas::from_elem(Meta::new(self.extents(&a.shape, &b.shape)?.out, a.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let e = self.extents(&inputs[0].shape(), &inputs[1].shape())?;
        e.count();
        with_float!(inputs[0].dtype(), "matmul", T => {
            let (a, b) = (inputs[0].data::<T>()?, inputs[1].data::<T>()?);
            let (a_columns, b_columns) =
                (if self.transpose_a { e.m } else { e.k }, if self.transpose_b { e.k } else { e.n });
            let out = outputs[0].data_mut::<T>()?;
            for (i, out) in out.chunks_mut((e.m * e.n).max(1)).enumerate() {
                let a = View::new(&a[i * e.stride_a..], a_columns, self.transpose_a);
                let b = View::new(&b[i * e.stride_b..], b_columns, self.transpose_b);
                gemm([e.m, e.n, e.k], a, b, out, false, None)?;
            }
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let e = self.extents(&inputs[0].shape(), &inputs[1].shape())?;
        e.count();
        device.matmul(&Product {
            a: inputs[0],
            b: inputs[1],
            out: &outputs[0],
            bias: None,
            m: e.m,
            n: e.n,
            k: e.k,
            batch: e.batch,
            transpose_a: self.transpose_a,
            transpose_b: self.transpose_b,
            stride_a: e.stride_a,
            stride_b: e.stride_b,
            stride_out: e.m * e.n,
        })
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0, 1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let (a, b, g) = (node.input(0)?, node.input(1)?, node.grad()?);
        let Matmul { transpose_a, transpose_b } = *self;
        let da = || match transpose_a {
            false => g.matmul_with(b, false, !transpose_b),
            true => b.matmul_with(g, transpose_b, true),
        };
        let db = || {
            // Where one B served a batch, its rows of A and of the gradient are one long product.
            if b.shape().rank() == 2 && !transpose_a && a.shape().rank() > 2 {
                let rows = |t: &Tensor| t.reshape([t.shape().rows(), t.shape().last()]);
                let (a, g) = (rows(a)?, rows(g)?);
                return if transpose_b { g.matmul_with(&a, true, false) } else { a.matmul_with(&g, true, false) };
            }
            match transpose_b {
                false => a.matmul_with(g, !transpose_a, false),
                true => g.matmul_with(a, true, transpose_a),
            }
        };
        let gradient = |wanted, make: &dyn Fn() -> Result<Tensor>, shape| -> Result<Option<Tensor>> {
            if wanted { super::binary::unbroadcast(make()?, &shape).map(Some) } else { Ok(None) }
        };
        let (da, db) = (gradient(node.wants(0), &da, a.shape())?, gradient(node.wants(1), &db, b.shape())?);
        Ok(Gradients::from_iter([da, db]))
    }

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        let mut case = |a: &[usize], b: &[usize], transpose_a, transpose_b| {
            cases.push(Case::new(Matmul { transpose_a, transpose_b }, [Sample::new(a), Sample::new(b)]));
        };
        case(&[1, 1], &[1, 1], false, false);
        case(&[3, 5], &[5, 7], false, false);
        case(&[5, 3], &[5, 7], true, false);
        case(&[3, 5], &[7, 5], false, true);
        case(&[5, 3], &[7, 5], true, true);
        case(&[33, 131], &[131, 97], false, false);
        case(&[0, 5], &[5, 7], false, false);
        case(&[3, 0], &[0, 7], false, false);
        case(&[2, 3, 5], &[5, 7], false, false);
        case(&[2, 3, 5], &[7, 5], false, true);
        case(&[2, 5, 3], &[5, 7], true, false);
        case(&[3, 5], &[2, 5, 7], false, false);
        case(&[5, 3], &[2, 7, 5], true, true);
        case(&[2, 2, 3, 5], &[2, 2, 5, 7], false, false);
        case(&[2, 2, 5, 3], &[2, 2, 7, 5], true, true);
        case(&[3, 10_007], &[10_007, 2], false, false);
        case(&[0, 3, 5], &[5, 7], false, false);
        case(&[0, 3, 5], &[0, 5, 7], false, false);
        case(&[66_000, 1, 2], &[66_000, 2, 1], false, false);
        cases
    }
}
