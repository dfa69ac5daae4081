//! A tensor on its way to another device.

use super::{Meta, Tensor};
use crate::device::cuda::Upload;
use crate::device::{Buffer, Device, Storage};
use crate::error::Result;

/// What [`Tensor::send`] leaves: a tensor that is there when somebody needs it.
pub(crate) enum Arriving {
    Here(Tensor),
    Upload(Upload, Meta),
}

impl Tensor {
    /// [`Tensor::to_device`] beside the work of the device, where that is a CUDA card and this tensor is on the host.
    pub(crate) fn send(&self, device: &Device) -> Result<Arriving> {
        match device {
            Device::Cuda(card) if self.device().is_cpu() => {
                Ok(Arriving::Upload(card.upload(self.bytes()?)?, self.meta()))
            }
            _ => Ok(Arriving::Here(self.to_device(device)?)),
        }
    }
}

impl Arriving {
    /// The tensor; what its device is given to do from now on waits for its bytes.
    pub fn tensor(self) -> Result<Tensor> {
        match self {
            Arriving::Here(tensor) => Ok(tensor),
            Arriving::Upload(upload, Meta { shape, dtype }) => {
                Ok(Tensor { shape, dtype, origin: None, storage: Storage::of(Buffer::Cuda(upload.block()?)) })
            }
        }
    }
}
