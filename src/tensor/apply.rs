//! The one place that applies an op: infer, run, record.

use super::tape::record;
use super::{Op, Tensor, Tensors};
use crate::device::Device;
use crate::device::cpu::convert::convert;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::profile;
use crate::with_dtype;
use smallvec::SmallVec;

/// The outputs of `op` for `inputs`, of which there is at least one.
///
/// # Errors
/// Inputs that the op's shape rule rejects, that lie on several devices or that belong to a gradient tape which a newer one
/// covers, or a device that fails.
pub fn apply<O: Op>(op: O, inputs: &[&Tensor]) -> Result<Tensors> {
    let mut metas: SmallVec<[_; 8]> = SmallVec::new();
    metas.extend(inputs.iter().map(|t| t.meta()));
    let device = same_device(&op, inputs)?;
    let mut outputs = Tensors::new();
    for meta in op.infer(&metas)? {
        outputs.push(Tensor::empty(&device, meta.shape, meta.dtype)?);
    }
    let span = profile::op(op.name(), || {
        let bytes = inputs.iter().copied().chain(&outputs).map(|t| (t.shape().size() * t.dtype().size()) as u64).sum();
        (bytes, outputs.iter().map(|t| t.shape().size() as u64).sum())
    });
    match &device {
        Device::Cpu if inputs.iter().copied().chain(&outputs).any(|t| is_half(t.dtype())) => {
            run_widened(&op, inputs, &mut outputs)?;
        }
        Device::Cpu => op.cpu(inputs, &mut outputs)?,
        Device::Cuda(device) => {
            let _range = device.range(op.name());
            op.cuda(device, inputs, &mut outputs)?;
        }
    }
    drop(span);
    record(op, inputs, &mut outputs)?;
    Ok(outputs)
}

/// [`apply`] for an op whose first output is the one of interest.
pub fn apply_one<O: Op>(op: O, inputs: &[&Tensor]) -> Result<Tensor> {
    apply(op, inputs)?.drain(..).next().ok_or_else(|| Error::Internal("an op without outputs".into()))
}

/// Records `op` as what made `output`, which shares the storage of `input`: for ops that only rename.
pub(crate) fn record_shared<O: Op>(op: O, input: &Tensor, output: Tensor) -> Result<Tensor> {
    let mut output = [output];
    record(op, &[input], &mut output)?;
    let [output] = output;
    Ok(output)
}

fn same_device(op: &dyn Op, inputs: &[&Tensor]) -> Result<Device> {
    let Some((first, rest)) = inputs.split_first() else {
        return Err(Error::shape(op.name(), "expected at least one input"));
    };
    let device = first.device();
    match rest.iter().find(|t| t.device() != device) {
        None => Ok(device),
        Some(other) => {
            let message = format!("the inputs lie on {device} and {}; move them with to_device first", other.device());
            Err(Error::Device { op: op.name().into(), message })
        }
    }
}

fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// Runs an op on the CPU in f32 for f16 and bf16 tensors: arithmetic is f32 whatever the storage.
fn run_widened(op: &dyn Op, inputs: &[&Tensor], outputs: &mut [Tensor]) -> Result<()> {
    let widened = |t: &Tensor| if is_half(t.dtype()) { converted(t, DType::F32) } else { Ok(t.detach()) };
    let wide = inputs.iter().map(|t| widened(t)).collect::<Result<Vec<Tensor>>>()?;
    let mut wide_outputs = outputs
        .iter()
        .map(|t| Tensor::empty(&Device::Cpu, t.shape(), if is_half(t.dtype()) { DType::F32 } else { t.dtype() }))
        .collect::<Result<Vec<Tensor>>>()?;
    op.cpu(&wide.iter().collect::<Vec<_>>(), &mut wide_outputs)?;
    for (output, wide) in outputs.iter_mut().zip(wide_outputs) {
        *output = if is_half(output.dtype()) { converted(&wide, output.dtype())? } else { wide };
    }
    Ok(())
}

/// A tensor on the CPU with its elements converted.
pub(crate) fn converted(from: &Tensor, dtype: DType) -> Result<Tensor> {
    let mut to = Tensor::empty(&Device::Cpu, from.shape(), dtype)?;
    with_dtype!(from.dtype(), S => with_dtype!(dtype, D => convert(from.data::<S>()?, to.data_mut::<D>()?)));
    Ok(to)
}
