//! Which pixels lie in a box.

use crate::device::cpu::threads;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply_one, given};

/// Whether start ≤ (i, j) < end, with start and end as parts of the height and the width.
#[derive(Clone, Copy, Debug)]
pub struct BoxMask {
    size: [usize; 2],
}

static KERNEL: Kernel = Kernel::new("image", "box_mask", &[DType::F32]);

impl Tensor {
    /// For each image of this height and width whether its pixels lie in its box: bool, `(batch, height, width, 1)`.
    /// This tensor says where the boxes begin and `end` where they end, in parts of the height and the width: float32,
    /// `(batch, 2)`. The pixel at (i, j) lies in it where both its row and its column are at least the start's and less
    /// than the end's.
    ///
    /// # Errors
    /// Other shapes or dtypes.
    pub fn box_mask(&self, end: &Tensor, size: [usize; 2]) -> Result<Tensor> {
        apply_one(BoxMask { size }, &[self, end])
    }
}

impl Op for BoxMask {
    fn name(&self) -> &'static str {
        "box_mask"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        match inputs {
            [start, end] if start == end && start.dtype == DType::F32 && matches!(start.shape[..], [_, 2]) => {
                let shape = Shape::new(&[start.shape[0], self.size[0], self.size[1], 1])?;
                Ok(Metas::from_elem(Meta::new(shape, DType::Bool), 1))
            }
            _ => {
                let message = format!("expected two tensors float32 (batch, 2), got {}", given(inputs));
                Err(Error::shape("box_mask", message))
            }
        }
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (start, end) = (inputs[0].data::<f32>()?, inputs[1].data::<f32>()?);
        let [height, width] = self.size;
        threads::split_rows(outputs[0].data_mut::<bool>()?, width, (1usize << 14).div_ceil(width.max(1)), |first, out| {
            for (at, out) in (first..).zip(out.chunks_exact_mut(width)) {
                let (n, i) = (at / height, at % height);
                let inside = |at: usize, axis: usize| {
                    let [start, end] = [start, end].map(|ends| ends[2 * n + axis] * self.size[axis] as f32);
                    start <= at as f32 && (at as f32) < end
                };
                let row = inside(i, 0);
                out.iter_mut().enumerate().for_each(|(j, out)| *out = row && inside(j, 1));
            }
        });
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = outputs[0].shape().size();
        let [n_arg, height, width] = [n, self.size[0], self.size[1]].map(|x| Arg::I64(x as i64));
        let args = [Arg::output(&outputs[0])?, Arg::input(inputs[0])?, Arg::input(inputs[1])?, n_arg, height, width];
        device.launch(&KERNEL, DType::F32, Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |batch: usize, size| {
            let ends = |range| Sample::within([batch, 2], range).dtype(DType::F32);
            Case::new(BoxMask { size }, [ends(-0.1..0.6), ends(0.3..1.1)]).dtypes(&[DType::F32])
        };
        vec![case(0, [3, 4]), case(3, [0, 4]), case(5, [7, 9]), case(2, [67, 131])]
    }
}
