//! Inputs and targets, sample by sample along the first axis.

use crate::device::Device;
use crate::device::cpu::convert::Convert;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::with_dtype;

/// Samples: one or several inputs and targets, all with the same first extent.
#[derive(Clone, Debug)]
pub struct Dataset {
    inputs: Vec<Tensor>,
    targets: Vec<Tensor>,
    len: usize,
}

impl Dataset {
    /// A data set of these inputs and targets.
    ///
    /// # Errors
    /// No samples, arrays of different lengths, NaN or infinity in the data.
    pub fn new(inputs: impl IntoTensors, targets: impl IntoTensors) -> Result<Dataset> {
        let (inputs, targets) = (inputs.into_tensors(), targets.into_tensors());
        let Some(first) = inputs.first() else {
            return Err(Error::Data("a data set needs at least one input".into()));
        };
        let len = first.shape().first().copied().unwrap_or(0);
        let named = || {
            let name = |kind: &'static str| move |(i, t)| (format!("{kind} {i}"), t);
            inputs.iter().enumerate().map(name("input")).chain(targets.iter().enumerate().map(name("target")))
        };
        for (name, tensor) in named() {
            match tensor.shape().first() {
                None => {
                    return Err(Error::Data(format!("{name} is a single number; the first axis must be the samples")));
                }
                Some(0) => return Err(Error::Data(format!("{name} is empty: its shape is {}", tensor.shape()))),
                Some(&n) if n != len => {
                    return Err(Error::Data(format!("{name} has {n} samples, input 0 has {len}")));
                }
                Some(_) => check_finite(&name, tensor)?,
            }
        }
        Ok(Dataset { inputs, targets, len })
    }

    /// How many samples there are, at least one.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The inputs.
    pub fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    /// The targets.
    pub fn targets(&self) -> &[Tensor] {
        &self.targets
    }

    /// The first `fraction` of the samples and the rest, in their order.
    ///
    /// # Errors
    /// A fraction that leaves one of them empty.
    pub fn split(&self, fraction: f64) -> Result<(Dataset, Dataset)> {
        let at = (self.len as f64 * fraction).floor() as usize;
        if !(0.0..=1.0).contains(&fraction) || at == 0 || at == self.len {
            let message = format!("a split at {fraction} of {} samples leaves one side empty", self.len);
            return Err(Error::Data(message));
        }
        Ok((self.range(0, at)?, self.range(at, self.len)?))
    }

    /// The first `n` samples, all of them if there are fewer.
    pub fn take(&self, n: usize) -> Result<Dataset> {
        self.range(0, n.clamp(1, self.len))
    }

    fn range(&self, start: usize, end: usize) -> Result<Dataset> {
        let cut = |t: &Tensor| t.slice(0, start..end);
        Ok(Dataset {
            inputs: self.inputs.iter().map(cut).collect::<Result<_>>()?,
            targets: self.targets.iter().map(cut).collect::<Result<_>>()?,
            len: end - start,
        })
    }

    /// The same samples on `device`.
    pub fn to_device(&self, device: &Device) -> Result<Dataset> {
        let to = |t: &Tensor| t.to_device(device);
        Ok(Dataset {
            inputs: self.inputs.iter().map(to).collect::<Result<_>>()?,
            targets: self.targets.iter().map(to).collect::<Result<_>>()?,
            len: self.len,
        })
    }

    /// Copies of its own.
    pub(crate) fn copy(&self) -> Result<Dataset> {
        let copy = |list: &[Tensor]| list.iter().map(Tensor::copy).collect::<Result<Vec<_>>>();
        Ok(Dataset { inputs: copy(&self.inputs)?, targets: copy(&self.targets)?, len: self.len })
    }

    /// Takes over the values of a data set of the same shapes, in place where it lies on a CUDA card.
    pub(crate) fn assign(&mut self, from: &Dataset) -> Result<()> {
        let to = self.inputs.iter_mut().chain(&mut self.targets);
        to.zip(from.inputs.iter().chain(&from.targets)).try_for_each(|(to, from)| to.assign(from))
    }

    /// The samples of these numbers, as a batch.
    pub(crate) fn gather(&self, indices: &Tensor) -> Result<Dataset> {
        let rows = |t: &Tensor| t.gather(indices);
        Ok(Dataset {
            inputs: self.inputs.iter().map(rows).collect::<Result<_>>()?,
            targets: self.targets.iter().map(rows).collect::<Result<_>>()?,
            len: indices.shape().size(),
        })
    }
}

/// A number that is not finite makes every weight NaN at the first step.
fn check_finite(name: &str, tensor: &Tensor) -> Result<()> {
    if !tensor.dtype().is_float() || !tensor.device().is_cpu() {
        return Ok(());
    }
    let found = with_dtype!(tensor.dtype(), T => tensor.data::<T>()?.iter().position(|x| !x.to_f64().is_finite()));
    match found {
        None => Ok(()),
        Some(at) => {
            let sample = at / (tensor.shape().size() / tensor.shape()[0]).max(1);
            let kind = with_dtype!(tensor.dtype(), T => tensor.data::<T>()?[at].to_f64());
            Err(Error::Data(format!("{name} holds {kind} in sample {sample}; remove or replace such values first")))
        }
    }
}

/// What can be the inputs or targets of a data set: one tensor, several, or `()` for none.
pub trait IntoTensors {
    /// The tensors.
    fn into_tensors(self) -> Vec<Tensor>;
}

impl IntoTensors for () {
    fn into_tensors(self) -> Vec<Tensor> {
        Vec::new()
    }
}

impl IntoTensors for Tensor {
    fn into_tensors(self) -> Vec<Tensor> {
        vec![self]
    }
}

impl IntoTensors for &Tensor {
    fn into_tensors(self) -> Vec<Tensor> {
        vec![self.clone()]
    }
}

impl<const N: usize> IntoTensors for [Tensor; N] {
    fn into_tensors(self) -> Vec<Tensor> {
        self.into()
    }
}

impl IntoTensors for Vec<Tensor> {
    fn into_tensors(self) -> Vec<Tensor> {
        self
    }
}
