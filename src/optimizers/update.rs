//! One step over all parameters.

use super::{Hyper, Optimizer, Piece};
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::vectorize;
use crate::device::cuda::{Arg, CudaDevice, Grid};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// An optimizer's numbers for each trainable parameter, and how many steps it has made.
#[derive(Debug)]
pub struct State {
    /// For each parameter its slots, in the order of [`Optimizer::slots`].
    pub slots: Vec<Vec<Tensor>>,
    /// Steps made.
    pub iteration: u64,
    /// What the CUDA kernel reads of each parameter; written anew when an address changes.
    table: Vec<i64>,
    device_table: Option<Tensor>,
}

/// Elements that a block of the kernel, or a thread of the CPU, takes at once.
const CHUNK: usize = 1 << 14;
/// Numbers of a table's entry: weight, gradient, three slots, elements, first chunk, unused.
const ENTRY: usize = 8;

impl State {
    /// The state before the first step: zeros.
    pub fn new(optimizer: &dyn Optimizer, parameters: &[&Tensor]) -> Result<State> {
        let zeros = |w: &&Tensor| -> Result<Vec<Tensor>> {
            optimizer.slots().iter().map(|_| Tensor::zeros(&w.device(), w.shape(), DType::F32)).collect()
        };
        let slots = parameters.iter().map(zeros).collect::<Result<_>>()?;
        Ok(State { slots, iteration: 0, table: Vec::new(), device_table: None })
    }

    /// Changes `parameters` by `gradients`, each multiplied by its entry of `scales`, if there are any.
    ///
    /// `hyper` is [`Optimizer::hyper`]'s, on the parameters' device.
    pub fn step(
        &mut self,
        optimizer: &dyn Optimizer,
        parameters: &mut [&mut Tensor],
        gradients: &[Tensor],
        hyper: &Tensor,
        scales: Option<&Tensor>,
    ) -> Result<()> {
        let Some(first) = parameters.first() else { return Ok(()) };
        match first.device() {
            Device::Cpu => self.step_cpu(optimizer, parameters, gradients, hyper, scales),
            Device::Cuda(device) => self.step_cuda(&device, optimizer, parameters, gradients, hyper, scales),
        }
    }

    fn step_cpu(
        &mut self,
        optimizer: &dyn Optimizer,
        parameters: &mut [&mut Tensor],
        gradients: &[Tensor],
        hyper: &Tensor,
        scales: Option<&Tensor>,
    ) -> Result<()> {
        let hyper: Hyper =
            hyper.data::<f32>()?.try_into().map_err(|_| Error::Internal("an optimizer reads eight numbers".into()))?;
        let scales = scales.map(|s| s.data::<f32>()).transpose()?;
        for (i, (weight, gradient)) in parameters.iter_mut().zip(gradients).enumerate() {
            weight.make_unique()?;
            let gradient = gradient.data::<f32>()?;
            let weight = Parts::new(weight.data_mut::<f32>()?);
            let mut slots = smallvec::SmallVec::<[Parts<f32>; 3]>::new();
            for slot in &mut self.slots[i] {
                slot.make_unique()?;
                slots.push(Parts::new(slot.data_mut::<f32>()?));
            }
            let scale = scales.map_or(1.0, |s| s[i]);
            threads::split(gradient.len(), CHUNK, |range| {
                // SAFETY: `split` hands out ranges that do not overlap, and each array is a parameter's own.
                let part = |parts: &Parts<f32>| unsafe { std::mem::transmute::<&mut [f32], &mut [f32]>(parts.slice(range.clone())) };
                let mut pieces: smallvec::SmallVec<[&mut [f32]; 3]> = slots.iter().map(part).collect();
                optimizer.update(
                    &hyper,
                    Piece { weight: part(&weight), gradient: &gradient[range.clone()], scale, slots: &mut pieces },
                );
            });
        }
        Ok(())
    }

    fn step_cuda(
        &mut self,
        device: &CudaDevice,
        optimizer: &dyn Optimizer,
        parameters: &mut [&mut Tensor],
        gradients: &[Tensor],
        hyper: &Tensor,
        scales: Option<&Tensor>,
    ) -> Result<()> {
        let mut table = Vec::with_capacity(parameters.len() * ENTRY);
        let mut chunks = 0usize;
        for ((weight, gradient), slots) in parameters.iter().zip(gradients).zip(&self.slots) {
            let address = |t: Option<&Tensor>| -> Result<i64> { t.map_or(Ok(0), |t| Ok(t.cuda_block()?.pointer() as i64)) };
            let size = weight.shape().size();
            table.extend([address(Some(weight))?, address(Some(gradient))?]);
            for i in 0..3 {
                table.push(address(slots.get(i))?);
            }
            table.extend([size as i64, chunks as i64, 0]);
            chunks += size.div_ceil(CHUNK);
        }
        if self.device_table.is_none() || self.table != table {
            self.device_table = Some(device.constant(&table)?);
            self.table = table;
        }
        let Some(device_table) = &self.device_table else { return Ok(()) };
        let scales = scales.map_or(Ok(Arg::Ptr(0)), Arg::input)?;
        let args = [
            Arg::input(device_table)?,
            Arg::I64(parameters.len() as i64),
            Arg::I64(CHUNK as i64),
            Arg::input(hyper)?,
            scales,
        ];
        device.launch(optimizer.kernel(), DType::F32, Grid::rows(chunks, 256), &args)
    }
}

/// Runs a rule that keeps nothing.
pub(super) fn none(piece: Piece, rule: impl Fn(f32, f32) -> f32) {
    let Piece { weight, gradient, scale, .. } = piece;
    vectorize(|| weight.iter_mut().zip(gradient).for_each(|(w, &g)| *w = rule(*w, g * scale)));
}

/// Runs a rule that keeps one number a weight.
pub(super) fn one(piece: Piece, rule: impl Fn(f32, f32, f32) -> (f32, f32)) {
    let Piece { weight, gradient, scale, slots } = piece;
    let [a, ..] = slots else { return };
    vectorize(|| {
        for ((w, &g), a) in weight.iter_mut().zip(gradient).zip(a.iter_mut()) {
            (*w, *a) = rule(*w, g * scale, *a);
        }
    });
}

/// Runs a rule that keeps two numbers a weight.
pub(super) fn two(piece: Piece, rule: impl Fn(f32, f32, f32, f32) -> (f32, f32, f32)) {
    let Piece { weight, gradient, scale, slots } = piece;
    let [a, b, ..] = slots else { return };
    vectorize(|| {
        for (((w, &g), a), b) in weight.iter_mut().zip(gradient).zip(a.iter_mut()).zip(b.iter_mut()) {
            (*w, *a, *b) = rule(*w, g * scale, *a, *b);
        }
    });
}
