//! Rows of a tensor by their numbers.

use super::copy::{WORDS, with_word, word, words, words_mut};
use super::index::{self, with_index};
use crate::device::cpu::convert::{Convert, require_float};
use crate::device::cpu::{Float, threads};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};
use crate::with_float;
use bytemuck::Pod;
use smallvec::SmallVec;

/// `out[i…] = x[indices[i…]]`: rows of axis 0.
#[derive(Clone, Copy, Debug)]
pub struct Gather;

/// The backward of [`Gather`]: each of `rows` rows is the sum of the gradients of where it went, in their order.
#[derive(Clone, Copy, Debug)]
pub struct GatherGrad {
    rows: usize,
}

static GATHER: Kernel = Kernel::new("gather", "gather_fwd", WORDS);
static SORT: Kernel = Kernel::new("gather", "gather_sort", &[DType::I32]);
static GATHER_GRAD: Kernel = Kernel::new("gather", "gather_bwd", FLOATS);

/// Threads of the one block that sorts the indices, and the bits that it sorts by at a time.
const SORT_THREADS: u32 = 512;
const SORT_BITS: u32 = 4;

impl Tensor {
    /// The rows of axis 0 that `indices` (int32 or int64, of any shape) name: the shape is that of `indices` followed by
    /// the rest of this one's. Any dtype. It is `keras.ops.take(x, indices, axis=0)`.
    ///
    /// An index out of range, negative ones included, is an error on the CPU. A CUDA card cannot answer with an error
    /// without halting the stream; there the row is NaN (0 for integers), so that the loss shows it, and no gradient
    /// flows from it. The gradient adds in the order of the indices, so reruns give the same bits.
    ///
    /// # Errors
    /// A scalar, indices of another dtype, more than 2³¹ − 1 of them, too many axes; on the CPU an index out of range.
    pub fn gather(&self, indices: &Tensor) -> Result<Tensor> {
        apply_one(Gather, &[self, indices])
    }

    /// The rows of axis 0 added up by `segments`, which says for each row to which of `count` rows of the result it goes
    /// ([Keras](https://keras.io/api/ops/core/#segmentsum-function)): the opposite of [`Tensor::gather`], whose backward it
    /// is. A row to which none goes is 0. It adds in the order of the rows, so reruns give the same bits.
    ///
    /// # Errors
    /// A dtype that is no float, segments that are neither int32 nor int64 or whose shape this one's does not begin with,
    /// more than 2³¹ − 1 of them; on the CPU a segment out of range, which on a CUDA card is left out.
    pub fn segment_sum(&self, segments: &Tensor, count: usize) -> Result<Tensor> {
        apply_one(GatherGrad { rows: count }, &[segments, self])
    }
}

fn check_indices(op: &'static str, indices: &Meta) -> Result<()> {
    if !matches!(indices.dtype, DType::I32 | DType::I64) {
        return Err(Error::dtype(op, format!("expected indices of dtype int32 or int64, got {}", indices.dtype)));
    }
    if indices.shape.size() > i32::MAX as usize {
        return Err(Error::shape(op, format!("expected at most 2³¹ − 1 indices, got the shape {}", indices.shape)));
    }
    Ok(())
}

fn copy_rows<W: Pod + Send + Sync, I: Convert>(x: &[W], indices: &[I], out: &mut [W], width: usize) {
    threads::split_rows(out, width, (1usize << 14).div_ceil(width.max(1)), |first, out| {
        for (out, i) in out.chunks_exact_mut(width).zip(&indices[first..]) {
            let at = i.to_i64() as usize * width;
            out.copy_from_slice(&x[at..at + width]);
        }
    });
}

/// Each thread owns rows of the output and passes over all indices, so a row's order of adding is that of the indices.
fn add_rows<T: Float, I: Convert>(indices: &[I], dy: &[T], out: &mut [T], width: usize) {
    threads::split_rows(out, width, (1usize << 15).div_ceil(width.max(1)), |first, out| {
        T::vectorize(
            #[inline(always)]
            || {
                out.fill(T::ZERO);
                for (i, dy) in indices.iter().zip(dy.chunks_exact(width)) {
                    let Some(at) = (i.to_i64() as usize).checked_sub(first).map(|row| row * width) else { continue };
                    if let Some(row) = out.get_mut(at..at + width) {
                        row.iter_mut().zip(dy).for_each(|(sum, &dy)| *sum += dy);
                    }
                }
            },
        );
    });
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [x, indices] = inputs else {
            return Err(Error::shape("gather", format!("expected a tensor and indices, got {} inputs", inputs.len())));
        };
        check_indices("gather", indices)?;
        let Some((_, row)) = x.shape.split_first() else {
            return Err(Error::shape("gather", "expected a tensor with at least one axis, got a scalar"));
        };
        let extents: SmallVec<[usize; 2 * MAX_RANK]> = indices.shape.iter().chain(row).copied().collect();
        Ok(Metas::from_elem(Meta::new(Shape::new(&extents)?, x.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, indices) = (inputs[0], inputs[1]);
        let width = x.shape()[1..].iter().product();
        with_index!(indices.dtype(), I => {
            let indices = indices.data::<I>()?;
            index::check("gather", indices, x.shape()[0], "index", "rows")?;
            with_word!(x.dtype(), W => copy_rows::<W, I>(words(x)?, indices, words_mut(&mut outputs[0])?, width));
        });
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (x, indices, n) = (inputs[0], inputs[1], outputs[0].shape().size());
        let width: usize = x.shape()[1..].iter().product();
        // NaN, where the dtype has one.
        let missing = match x.dtype() {
            DType::F64 => 0x7ff8 << 48,
            DType::F32 => 0x7fc0 << 16,
            DType::F16 => 0x7e00,
            DType::BF16 => 0x7fc0,
            _ => 0,
        };
        let args = [
            Arg::output(&outputs[0])?,
            Arg::input(x)?,
            Arg::input(indices)?,
            Arg::I32(indices.dtype().size() as i32),
            Arg::I64(n as i64),
            Arg::I64(x.shape()[0] as i64),
            Arg::I64(width as i64),
            Arg::I64(missing),
        ];
        device.launch(&GATHER, word(x.dtype()), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[1]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let x = node.input_meta(0).shape;
        let gradient = apply_one(GatherGrad { rows: x[0] }, &[node.input(1)?, node.grad()?])?;
        Ok(Gradients::from_iter([Some(gradient), None]))
    }

    fn cases() -> Vec<Case> {
        let case = |x: &[usize], indices: &[usize]| {
            Case::new(Gather, [Sample::new(x), Sample::below(indices, x[0])]).dtypes(&DType::ALL)
        };
        let long =
            Case::new(Gather, [Sample::new([11, 5]), Sample::below([7, 3], 11).dtype(DType::I64)]).dtypes(&DType::ALL);
        vec![
            case(&[33], &[]),
            case(&[5, 7], &[0]),
            case(&[1, 33], &[4]),
            case(&[13, 5, 3], &[2, 9]),
            case(&[4, 0], &[3]),
            case(&[9973, 2], &[66_000]),
            long,
        ]
    }
}

impl Op for GatherGrad {
    fn name(&self) -> &'static str {
        "gather_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [indices, dy] = inputs else {
            return Err(Error::shape("gather_grad", format!("expected indices and a gradient, got {}", given(inputs))));
        };
        check_indices("gather_grad", indices)?;
        require_float("gather_grad", dy.dtype)?;
        let Some(row) = dy.shape.strip_prefix(indices.shape.dims()) else {
            let message = format!("a gradient {} does not start with the indices' shape {}", dy.shape, indices.shape);
            return Err(Error::shape("gather_grad", message));
        };
        let extents: SmallVec<[usize; MAX_RANK + 1]> = std::iter::once(self.rows).chain(row.iter().copied()).collect();
        Ok(Metas::from_elem(Meta::new(Shape::new(&extents)?, dy.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (indices, dy) = (inputs[0], inputs[1]);
        let width = outputs[0].shape()[1..].iter().product();
        with_float!(dy.dtype(), "gather_grad", T => with_index!(indices.dtype(), I => {
            let indices = indices.data::<I>()?;
            index::check("gather_grad", indices, self.rows, "index", "rows")?;
            add_rows::<T, I>(indices, dy.data()?, outputs[0].data_mut()?, width);
            Ok(())
        }))
    }

    /// Sorts the numbers of the indices by the rows that they name, in one block, in time that grows with the number of
    /// indices; the sort is stable, so that a row's contributions keep their order. Then a block for each row that is
    /// named adds them.
    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (indices, dy, out) = (inputs[0], inputs[1], &outputs[0]);
        let (n, width) = (indices.shape().size(), out.shape()[1..].iter().product::<usize>());
        device.fill(out.cuda_block()?, &[0], out.size_in_bytes())?;
        if n * width * self.rows == 0 {
            return Ok(());
        }
        // Out-of-range indices sort as `rows`, behind all others.
        let passes = (usize::BITS - self.rows.leading_zeros()).div_ceil(SORT_BITS);
        let order = Tensor::empty(&inputs[0].device(), Shape::new(&[2, n])?, DType::I32)?;
        let (size, n, rows) = (Arg::I32(indices.dtype().size() as i32), Arg::I64(n as i64), Arg::I64(self.rows as i64));
        let args = [Arg::output(&order)?, Arg::input(indices)?, size, n, rows, Arg::I32(passes as i32)];
        let one_block = Grid { blocks: [1, 1, 1], threads: SORT_THREADS, shared: 0 };
        device.launch(&SORT, DType::I32, one_block, &args)?;
        let half = Arg::I32((passes % 2) as i32);
        let args = [
            Arg::output(out)?,
            Arg::input(dy)?,
            Arg::input(indices)?,
            size,
            Arg::input(&order)?,
            half,
            n,
            rows,
            Arg::I64(width as i64),
        ];
        device.launch(&GATHER_GRAD, dy.dtype(), Grid::rows(indices.shape().size(), 128), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        Ok(Gradients::from_iter([None, Some(node.grad()?.gather(node.input(0)?)?)]))
    }

    fn cases() -> Vec<Case> {
        let case = |rows: usize, indices: &[usize], dy: &[usize]| {
            Case::new(GatherGrad { rows }, [Sample::below(indices, rows), Sample::new(dy)])
        };
        vec![
            case(33, &[], &[]),
            case(5, &[0], &[0, 7]),
            case(1, &[1031], &[1031, 3]),
            case(13, &[2, 9], &[2, 9, 5, 3]),
            case(70_001, &[1031], &[1031, 2]),
            case(257, &[66_000], &[66_000, 1]),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_the_gradients_of_repeated_rows() -> Result<()> {
        let tape = crate::GradientTape::new();
        let x = tape.watch(&Tensor::from_slice(&[1f32, 2., 3., 4., 5., 6.], [3, 2])?)?;
        let y = x.gather(&Tensor::from_slice(&[2i64, 0, 2, 2], [2, 2])?)?;
        assert_eq!(y.shape().dims(), [2, 2, 2]);
        assert_eq!(y.to_vec::<f32>()?, [5., 6., 1., 2., 5., 6., 5., 6.]);
        let gradient = tape.gradient(&y, &[&x])?.remove(0);
        assert_eq!(gradient.map(|g| g.to_vec::<f32>()).transpose()?, Some(vec![1., 1., 0., 0., 3., 3.]));
        Ok(())
    }

    #[test]
    fn adds_rows_by_segment() -> Result<()> {
        let x = Tensor::from_slice(&[1f32, 2., 3., 4., 5., 6.], [3, 2])?;
        let sums = x.segment_sum(&Tensor::from_slice(&[2, 0, 2], 3)?, 4)?;
        assert_eq!(sums.to_vec::<f32>()?, [3., 4., 0., 0., 6., 8., 0., 0.]);
        assert!(x.segment_sum(&Tensor::from_slice(&[0, 1], 2)?, 2).is_err());
        Ok(())
    }

    #[test]
    fn names_the_index_that_is_out_of_range() -> Result<()> {
        let x = Tensor::from_slice(&[1u8, 2, 3], 3)?;
        for (bad, value) in [(3, "3"), (-1, "-1")] {
            let error = x.gather(&Tensor::from_slice(&[0, 2, bad, 1], 4)?).err().map(|e| e.to_string());
            let want = format!("gather: the index {value} at place 2 is out of range: there are 3 rows");
            assert_eq!(error.as_deref(), Some(want.as_str()));
        }
        assert!(x.gather(&x).is_err());
        assert!(Tensor::scalar(1f32)?.gather(&Tensor::scalar(0i32)?).is_err());
        Ok(())
    }
}
