//! Whole numbers in random order.

use super::random::{Generator, check_state, philox, sample_state};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::{Backward, Case, Gradients, Keeps, Meta, Metas, Op, Tensor, apply_one, given};

/// The numbers from 0 to before `count`, in the order of a random 64-bit key of each.
#[derive(Clone, Copy, Debug)]
pub struct RandomPermutation {
    count: usize,
    stream: u32,
}

static KERNEL: Kernel = Kernel::new("random", "random_permutation", &[DType::I32]);

impl Generator {
    /// The numbers 0 to `count` − 1 in random order, int32, as [`Tensor::gather`] takes them. It is meant for the
    /// samples of a batch: on a CUDA card the time grows with the square of their number.
    ///
    /// # Errors
    /// More than 2³¹ − 1 numbers.
    pub fn permutation(&self, count: usize) -> Result<Tensor> {
        apply_one(RandomPermutation { count, stream: self.stream() }, &[self.state()])
    }
}

impl Op for RandomPermutation {
    fn name(&self) -> &'static str {
        "random_permutation"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [state] = inputs else {
            let message = format!("expected a generator's state, got {}", given(inputs));
            return Err(Error::shape("random_permutation", message));
        };
        check_state("random_permutation", state)?;
        if self.count > i32::MAX as usize {
            let message = format!("expected at most 2³¹ − 1 numbers, got {}", self.count);
            return Err(Error::shape("random_permutation", message));
        }
        Ok(Metas::from_elem(Meta::new(Shape::new(&[self.count])?, DType::I32), 1))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let philox = philox(inputs[0], self.stream)?;
        let out = outputs[0].data_mut::<i32>()?;
        out.iter_mut().zip(0..).for_each(|(out, i)| *out = i);
        out.sort_unstable_by_key(|&i| {
            let [high, low, ..] = philox.block(i as u64);
            (high, low, i)
        });
        Ok(())
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let (n, stream) = (Arg::I64(self.count as i64), Arg::U32(self.stream));
        let args = [Arg::output(&outputs[0])?, Arg::input(inputs[0])?, n, stream];
        let blocks = self.count.div_ceil(256).min(1 << 16) as u32;
        device.launch(&KERNEL, DType::I32, Grid { blocks: [blocks, 1, 1], threads: 256, shared: 0 }, &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Ok(Gradients::new())
    }

    fn cases() -> Vec<Case> {
        let case = |(count, stream)| {
            Case::new(RandomPermutation { count, stream }, [sample_state()]).dtypes(&[DType::F32])
        };
        [(0, 1), (1, 2), (33, 3), (1031, 4)].map(case).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    #[test]
    fn every_number_comes_once_at_any_place() -> Result<()> {
        let g = Generator::new(3, &Device::Cpu)?;
        let mut counts = [[0; 4]; 4];
        let draws = 4000;
        for _ in 0..draws {
            let mut order = g.permutation(4)?.to_vec::<i32>()?;
            order.iter().enumerate().for_each(|(place, &number)| counts[place][number as usize] += 1);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3]);
        }
        // Five standard deviations.
        let deviation = (f64::from(draws) * 0.25 * 0.75).sqrt();
        let fair = |&count: &i32| (f64::from(count) - 0.25 * f64::from(draws)).abs() < 5.0 * deviation;
        assert!(counts.iter().flatten().all(fair), "{counts:?}");
        Ok(())
    }
}
