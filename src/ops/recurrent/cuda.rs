//! The passes of all cells on a CUDA card.

use super::{Grad, GradInputs, Inputs, Kind, Recurrence};
use crate::device::cuda::CudaDevice;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

pub(super) fn forward<K: Kind>(_: &Recurrence, _: &CudaDevice, _: &Inputs, _: &mut [Tensor]) -> Result<()> {
    Err(Error::Internal("later".into()))
}
pub(super) fn backward<K: Kind>(_: &Grad, _: &CudaDevice, _: &GradInputs, _: &mut [Tensor]) -> Result<()> {
    Err(Error::Internal("later".into()))
}
