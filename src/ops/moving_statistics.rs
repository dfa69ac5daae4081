//! Running statistics.

use crate::device::cpu::Float;
use crate::device::cpu::convert::require_float;
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::error::{Error, Result};
use crate::tensor::{Backward, Case, FLOATS, Gradients, Keeps, Meta, Metas, Op, Sample, Tensor, apply, given};
use crate::with_float;

/// moving · momentum + new · (1 − momentum), for a mean and a variance at once, since both are small: from the moving mean and
/// variance and those of a batch. No gradient.
#[derive(Clone, Copy, Debug)]
pub struct MovingStatistics {
    momentum: f64,
}

static FORWARD: Kernel = Kernel::new("batch_norm", "moving_statistics_fwd", FLOATS);

/// What the moving mean and variance become after a batch of mean and variance `new`: moving · momentum + new · (1 − momentum).
///
/// # Errors
/// Shapes or dtypes that differ, a dtype that is no float, a momentum outside [0, 1].
pub fn moving_statistics(moving: [&Tensor; 2], new: [&Tensor; 2], momentum: f64) -> Result<[Tensor; 2]> {
    match &apply(MovingStatistics { momentum }, &[moving[0], moving[1], new[0], new[1]])?[..] {
        [mean, variance] => Ok([mean.clone(), variance.clone()]),
        _ => Err(Error::Internal("moving_statistics has two outputs".into())),
    }
}

impl Op for MovingStatistics {
    fn name(&self) -> &'static str {
        "moving_statistics"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Metas> {
        let [first, rest @ ..] = inputs else {
            return Err(Error::shape("moving_statistics", "expected four tensors, got nothing"));
        };
        require_float("moving_statistics", first.dtype)?;
        if rest.len() != 3 || rest.iter().any(|other| other != first) {
            let message = format!("expected four tensors of one shape and dtype, got {}", given(inputs));
            return Err(Error::shape("moving_statistics", message));
        }
        if (0.0..=1.0).contains(&self.momentum) {
            return Ok(Metas::from_elem(*first, 2));
        }
        Err(Error::Config(format!("moving_statistics: expected a momentum in [0, 1], got {}", self.momentum)))
    }

    fn cpu(&self, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        with_float!(inputs[0].dtype(), "moving_statistics", T => {
            let (keep, take) = (<T as Float>::of(self.momentum), <T as Float>::of(1.0 - self.momentum));
            for (i, out) in outputs.iter_mut().enumerate() {
                let (moving, new) = (inputs[i].data::<T>()?, inputs[i + 2].data::<T>()?);
                for ((out, &moving), &new) in out.data_mut::<T>()?.iter_mut().zip(moving).zip(new) {
                    *out = moving * keep + new * take;
                }
            }
            Ok(())
        })
    }

    fn cuda(&self, device: &CudaDevice, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let n = inputs[0].shape().size();
        let args = [
            Arg::output(&outputs[0])?,
            Arg::output(&outputs[1])?,
            Arg::input(inputs[0])?,
            Arg::input(inputs[1])?,
            Arg::input(inputs[2])?,
            Arg::input(inputs[3])?,
            Arg::I64(n as i64),
            Arg::F64(self.momentum),
        ];
        device.launch(&FORWARD, inputs[0].dtype(), Grid::elements(n), &args)
    }

    fn keeps(&self) -> Option<Keeps> {
        None
    }

    fn backward(&self, _: &Backward) -> Result<Gradients> {
        Err(Error::Internal("moving statistics have no gradient".into()))
    }

    fn cases() -> Vec<Case> {
        let case =
            |&(n, momentum): &(usize, f64)| Case::new(MovingStatistics { momentum }, [(); 4].map(|()| Sample::new(n)));
        [(0, 0.5), (1, 0.0), (33, 0.99), (5000, 0.75)].iter().map(case).collect()
    }
}
