//! One of two tensors, element by element.

use super::binary::{self, Broadcast};
use super::copy::{with_word, words, words_mut};
use crate::device::cpu::threads;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one};
use bytemuck::Pod;
use smallvec::SmallVec;

/// a where a condition holds, b elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Select;

static SELECT: Kernel = Kernel::new("select", "select_fwd", &DType::ALL);

impl Tensor {
    /// `on_true` where this condition holds, `on_false` elsewhere: [Keras's `where`](https://keras.io/api/ops/numpy/#where-function),
    /// which is a keyword here.
    ///
    /// All three broadcast together. Each gradient is 0 where the other tensor was taken.
    ///
    /// # Errors
    /// A condition that is not `bool`, shapes that do not broadcast, dtypes that differ.
    pub fn select(&self, on_true: &Tensor, on_false: &Tensor) -> Result<Tensor> {
        apply_one(Select, &[self, on_true, on_false])
    }
}

impl Op for Select {
    fn name(&self) -> &'static str {
        "select"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [condition, a, b] = inputs else {
            return Err(Error::shape("select", format!("expected three tensors, got {}", inputs.len())));
        };
        if condition.dtype != DType::Bool {
            let message = format!("expected a condition of the dtype bool, got {}; compare first", condition.dtype);
            return Err(Error::dtype("select", message));
        }
        let both = binary::infer("select", &[*a, *b])?;
        Ok(Metas::from_elem(Meta::new(both.shape.broadcast(&condition.shape, "select")?, both.dtype), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_word!(inputs[1].dtype(), W => select::<W>(inputs, &mut outputs[0]))
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (n, out) = (outputs[0].shape().size(), &outputs[0]);
        let plan = Broadcast::new([0, 1, 2].map(|i: usize| inputs[i].shape()), &out.shape());
        let mut args = SmallVec::<[Arg; 40]>::new();
        args.extend([Arg::input(inputs[0])?, Arg::input(inputs[1])?, Arg::input(inputs[2])?, Arg::output(out)?]);
        args.extend(plan.args(n));
        device.launch(&SELECT, out.dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        Some(Keeps::inputs(&[0]))
    }

    fn backward(&self, node: &Backward) -> Result<Gradients> {
        let (condition, dy) = (node.input(0)?, node.grad()?);
        let zero = Tensor::zeros(&dy.device(), (), dy.dtype())?;
        let gradient = |i: usize| -> Result<Option<Tensor>> {
            if !node.wants(i) {
                return Ok(None);
            }
            let taken = if i == 1 { condition.select(dy, &zero)? } else { condition.select(&zero, dy)? };
            binary::unbroadcast(taken, &node.input_meta(i).shape).map(Some)
        };
        Ok(Gradients::from_iter([None, gradient(1)?, gradient(2)?]))
    }

    fn cases() -> Vec<Case> {
        let case = |condition: &[usize], a: &[usize], b: &[usize]| {
            let condition = Sample::new(condition).dtype(DType::Bool);
            Case::new(Select, [condition, Sample::new(a), Sample::new(b)]).dtypes(&DType::ALL)
        };
        vec![
            case(&[], &[], &[]),
            case(&[0], &[1], &[0]),
            case(&[70_001], &[70_001], &[70_001]),
            case(&[33], &[33], &[]),
            case(&[5, 1], &[5, 7], &[7]),
            case(&[2, 3, 1, 5], &[1, 4, 1], &[5]),
        ]
    }
}

fn select<W: Pod + Send + Sync>(inputs: &[&Tensor], output: &mut Tensor) -> Result<()> {
    let shape = output.shape();
    let plan = Broadcast::new([0, 1, 2].map(|i: usize| inputs[i].shape()), &shape);
    let (condition, a, b) = (inputs[0].data::<bool>()?, words::<W>(inputs[1])?, words::<W>(inputs[2])?);
    let (row, [step_c, step_a, step_b]) = plan.row();
    if shape.size() == 0 {
        return Ok(());
    }
    // A long row is cut too, so that a tensor which is one row has several threads.
    let piece = row.min(1 << 14);
    let pieces = row.div_ceil(piece);
    let parts = threads::Parts::new(words_mut::<W>(output)?);
    threads::split(shape.size() / row * pieces, (1usize << 14).div_ceil(piece), &|range| {
        for i in range {
            let (r, start) = (i / pieces, i % pieces * piece);
            let end = (start + piece).min(row);
            let [at_c, at_a, at_b] = plan.offsets(r);
            // SAFETY: each piece is a part of its own of one row.
            let out = unsafe { parts.slice(r * row + start..r * row + end) };
            for (j, out) in (start..end).zip(out) {
                let (a, b) = (a[at_a + j * step_a], b[at_b + j * step_b]);
                *out = if condition[at_c + j * step_c] { a } else { b };
            }
        }
    });
    Ok(())
}
