//! One rule over all parameters: one launch on a CUDA card, pieces of all parameters over the threads on the CPU.

use super::{Hyper, Piece};
use crate::device::Device;
use crate::device::cpu::threads::{self, Parts};
use crate::device::cuda::{Arg, CudaDevice, Grid, Kernel};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::profile;
use crate::tensor::Tensor;
use std::ops::Range;

/// Elements that a thread of the CPU takes at least.
const GRAIN: usize = 1 << 14;
/// Elements that a block of the kernel takes: 16 for each of its threads.
const CHUNK: usize = 1 << 12;
/// Threads of a block.
const THREADS: u32 = 256;
/// The most numbers that a rule keeps for a weight.
const SLOTS: usize = 3;
/// Numbers of a table's entry: weight, gradient, three slots, elements, first chunk, whether the weight decays.
const ENTRY: usize = 8;

/// A rule and the numbers that it reads.
pub(super) struct Call<'a> {
    /// The rule on the CPU.
    pub update: &'a (dyn Fn(&Hyper, Piece) + Sync),
    /// The rule on a CUDA card, where it has one.
    pub kernel: Option<&'static Kernel>,
    /// Its numbers, on the parameters' device.
    pub hyper: &'a Tensor,
    /// What each gradient is multiplied by, if anything.
    pub scales: Option<&'a Tensor>,
    /// Which of a parameter's slots it has.
    pub slots: Range<usize>,
    /// Whether each parameter is left alone; none is where the list is empty.
    pub skip: &'a [bool],
}

impl Call<'_> {
    fn skips(&self, parameter: usize) -> bool {
        self.skip.get(parameter).copied().unwrap_or(false)
    }
}

/// All parameters that take part in a step.
pub(super) struct Parameters<'a> {
    /// All weights of the model.
    pub weights: &'a mut [Tensor],
    /// Where in them the parameters are.
    pub places: &'a [usize],
    /// The gradient of each parameter.
    pub gradients: &'a [Tensor],
    /// The slots of each parameter.
    pub slots: &'a mut [Vec<Tensor>],
    /// Whether each parameter decays.
    pub decays: &'a [bool],
}

/// What the CUDA kernel of one rule reads of each parameter, kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// Of steps that are not captured; written anew when an address changes.
    table: Vec<i64>,
    device_table: Option<Tensor>,
    /// The list that the next table is written in.
    scratch: Vec<i64>,
}

impl Pass {
    /// Runs the rule on every parameter.
    pub fn run(&mut self, call: &Call, parameters: Parameters) -> Result<()> {
        let _span = profile::op(call.kernel.map_or("update", |kernel| kernel.name), || {
            let taken = parameters.gradients.iter().enumerate().filter(|(i, _)| !call.skips(*i));
            let elements = taken.map(|(_, g)| g.shape().size() as u64).sum::<u64>();
            // Weight and slots are read and written, the gradient is read.
            (4 * (3 + 2 * call.slots.len() as u64) * elements, elements)
        });
        match call.hyper.device() {
            Device::Cpu => on_cpu(call, parameters),
            Device::Cuda(device) => self.on_cuda(&device, call, parameters),
        }
    }

    fn on_cuda(&mut self, device: &CudaDevice, call: &Call, parameters: Parameters) -> Result<()> {
        let kernel = call.kernel.ok_or_else(|| Error::Internal("a rule without a CUDA kernel".into()))?;
        let Parameters { weights, places, gradients, slots, decays } = parameters;
        let mut table = std::mem::take(&mut self.scratch);
        table.clear();
        table.reserve(places.len() * ENTRY);
        let mut chunks = 0usize;
        let each = places.iter().zip(gradients).zip(slots).zip(decays);
        for (i, (((&place, gradient), slots), &decays)) in each.enumerate() {
            if call.skips(i) {
                // The scales are looked up by place.
                table.extend([0, 0, 0, 0, 0, 0, chunks as i64, 0]);
                continue;
            }
            let weight = &weights[place];
            let address =
                |t: Option<&Tensor>| -> Result<i64> { t.map_or(Ok(0), |t| Ok(t.cuda_block()?.pointer() as i64)) };
            let size = weight.shape().size();
            table.extend([address(Some(weight))?, address(Some(gradient))?]);
            for i in 0..SLOTS {
                table.push(address(slots[call.slots.clone()].get(i))?);
            }
            table.extend([size as i64, chunks as i64, i64::from(decays)]);
            chunks += size.div_ceil(CHUNK);
        }
        if chunks == 0 {
            self.scratch = table;
            return Ok(());
        }
        // A graph reads its own table at each launch, so that it gets one that nobody else has: a table of steps that
        // are not captured may hold the same addresses, and goes when the next such step has others.
        let device_table = if device.is_capturing() {
            Tensor::constant(device, &table)?
        } else {
            match self.device_table.take().filter(|_| self.table == table) {
                Some(kept) => self.device_table.insert(kept).clone(),
                None => {
                    std::mem::swap(&mut self.table, &mut table);
                    self.device_table.insert(Tensor::constant(device, &self.table)?).clone()
                }
            }
        };
        self.scratch = table;
        let scales = call.scales.map_or(Ok(Arg::Ptr(0)), |scales| Arg::input(scales))?;
        let args = [
            Arg::input(&device_table)?,
            Arg::I64(places.len() as i64),
            Arg::I64(CHUNK as i64),
            Arg::input(call.hyper)?,
            scales,
        ];
        device.launch(kernel, DType::F32, Grid::rows(chunks, THREADS), &args)
    }
}

fn on_cpu(call: &Call, parameters: Parameters) -> Result<()> {
    let Parameters { weights, places, gradients, slots, decays } = parameters;
    let hyper: Hyper =
        call.hyper.data::<f32>()?.try_into().map_err(|_| Error::Internal("a rule reads eight numbers".into()))?;
    let scales = call.scales.map(|s| s.data::<f32>()).transpose()?;
    for (i, (&place, gradient)) in places.iter().zip(gradients).enumerate().filter(|(i, _)| !call.skips(*i)) {
        let weight = &mut weights[place];
        weight.make_unique()?;
        let gradient = gradient.data::<f32>()?;
        let weight = Parts::new(weight.data_mut::<f32>()?);
        let mut parts = smallvec::SmallVec::<[Parts<f32>; SLOTS]>::new();
        for slot in &mut slots[i][call.slots.clone()] {
            slot.make_unique()?;
            parts.push(Parts::new(slot.data_mut::<f32>()?));
        }
        let scale = scales.map_or(1.0, |s| s[i]);
        let mut hyper = hyper;
        if !decays[i] {
            hyper[1] = 0.0;
        }
        threads::split(gradient.len(), GRAIN, &|range| {
            let mut pieces: [&mut [f32]; SLOTS] = Default::default();
            for (piece, slot) in pieces.iter_mut().zip(&parts) {
                // SAFETY: `split` hands out ranges that do not overlap, and each slot is an array of its own.
                *piece = unsafe { slot.slice(range.clone()) };
            }
            // SAFETY: as above.
            let weight = unsafe { weight.slice(range.clone()) };
            let slots = &mut pieces[..parts.len()];
            (call.update)(&hyper, Piece { weight, gradient: &gradient[range], scale, slots });
        });
    }
    Ok(())
}
