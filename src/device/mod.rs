//! Where data lives and work runs: devices, buffers and their pools, threads, kernels.

pub mod cpu;
pub mod cuda;
mod storage;

pub(crate) use storage::Elements;
pub use storage::{Buffer, Storage};

use crate::error::{Error, Result};
use cuda::CudaDevice;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Where a tensor lives and where work on it runs: the CPU or one CUDA card. A cheap handle.
///
/// It is written `cpu`, `cuda:0`, `cuda:1`, …; `auto` stands for [`Device::best`].
#[derive(Clone)]
pub enum Device {
    /// The CPU, with as many threads as [`cpu::threads::count`] says.
    Cpu,
    /// One CUDA card.
    Cuda(Arc<CudaDevice>),
}

impl Device {
    /// The CUDA card `ordinal`, counted from 0.
    ///
    /// # Errors
    /// A [`CudaError`](crate::CudaError) that says what is missing: driver, card, kernels, a driver and a card that are
    /// new enough for them, cuBLAS or cuBLASLt.
    pub fn cuda(ordinal: usize) -> Result<Device> {
        Ok(Device::Cuda(CudaDevice::get(ordinal)?))
    }

    /// The first CUDA card that can be used, else the CPU; [`Device::first_cuda`] says why no card was taken.
    pub fn best() -> Device {
        Device::first_cuda().unwrap_or(Device::Cpu)
    }

    /// The first CUDA card that can be used.
    ///
    /// # Errors
    /// Why the card 0 cannot be used, where none can.
    pub fn first_cuda() -> Result<Device> {
        (1..cuda::count())
            .fold(Device::cuda(0), |found, ordinal| found.or_else(|first| Device::cuda(ordinal).map_err(|_| first)))
    }

    /// Whether this is the CPU.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Device::Cpu)
    }

    /// Waits until all work that was given to the device is done.
    pub fn synchronize(&self) -> Result<()> {
        match self {
            Device::Cpu => Ok(()),
            Device::Cuda(device) => device.synchronize(),
        }
    }

    /// Bytes that live tensors take on this device, as its pool counts them.
    pub fn bytes_in_use(&self) -> usize {
        match self {
            Device::Cpu => cpu::pool::bytes_in_use(),
            Device::Cuda(device) => device.bytes_in_use(),
        }
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        match (self, other) {
            (Device::Cpu, Device::Cpu) => true,
            (Device::Cuda(a), Device::Cuda(b)) => a.ordinal() == b.ordinal(),
            _ => false,
        }
    }
}

impl Eq for Device {}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(device) => write!(f, "cuda:{}", device.ordinal()),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Device> {
        match text {
            "auto" => Ok(Device::best()),
            "cpu" => Ok(Device::Cpu),
            "cuda" | "gpu" => Device::cuda(0),
            _ => match text.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
                Some(ordinal) => Device::cuda(ordinal),
                None => Err(Error::Config(format!("unknown device `{text}`; write auto, cpu or cuda:N"))),
            },
        }
    }
}
