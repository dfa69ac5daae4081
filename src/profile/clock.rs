//! The time, as the device that computes has it.

use crate::device::Device;
use crate::device::cuda::{CudaDevice, TimedEvent};
use crate::error::Result;
use std::sync::Arc;
use std::time::Instant;

/// A moment: of the CPU's clock, or when a card has done what it was given before.
pub enum Stamp {
    /// The CPU's clock.
    Cpu(Instant),
    /// An event behind a card's work.
    Cuda(TimedEvent),
}

/// Makes stamps, and says how long after its own beginning they are.
pub struct Clock {
    device: Option<Arc<CudaDevice>>,
    start: Stamp,
}

fn stamp(device: Option<&Arc<CudaDevice>>) -> Result<Stamp> {
    device.map_or_else(|| Ok(Stamp::Cpu(Instant::now())), |device| device.timed_event().map(Stamp::Cuda))
}

impl Clock {
    pub fn new(device: &Device) -> Result<Clock> {
        let device = match device {
            Device::Cpu => None,
            Device::Cuda(device) => Some(device.clone()),
        };
        Ok(Clock { start: stamp(device.as_ref())?, device })
    }

    pub fn stamp(&self) -> Result<Stamp> {
        stamp(self.device.as_ref())
    }

    /// Seconds from the clock's beginning; waits for a card.
    pub fn seconds(&self, stamp: &Stamp) -> Result<f64> {
        match (&self.start, stamp) {
            (Stamp::Cpu(start), Stamp::Cpu(stamp)) => Ok(stamp.saturating_duration_since(*start).as_secs_f64()),
            (Stamp::Cuda(start), Stamp::Cuda(stamp)) => stamp.seconds_after(start),
            _ => Ok(0.0),
        }
    }
}
