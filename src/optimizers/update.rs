//! One step over all parameters.

use super::{Hyper, Optimizer, Piece};
use crate::device::Device;
use crate::device::cpu::threads::{self, Parts};
use crate::device::cpu::{Float, vectorize};
use crate::device::cuda::{Arg, CudaDevice, Grid};
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
    /// What the CUDA kernel reads of each parameter in steps that are not captured; written anew when an address changes.
    table: Vec<i64>,
    device_table: Option<Tensor>,
    /// The list that the next table is written in.
    scratch: Vec<i64>,
}

/// Elements that a thread of the CPU takes at least.
const GRAIN: usize = 1 << 14;
/// Elements that a block of the kernel takes: 16 for each of its threads.
const CHUNK: usize = 1 << 12;
/// Threads of a block.
const THREADS: u32 = 256;
/// The most numbers that an optimizer keeps for a weight.
const SLOTS: usize = 3;
/// Numbers of a table's entry: weight, gradient, three slots, elements, first chunk, unused.
const ENTRY: usize = 8;

impl State {
    /// The state before the first step: zeros.
    ///
    /// # Errors
    /// Arguments of the optimizer outside their range.
    pub fn new(optimizer: &dyn Optimizer, parameters: &[&Tensor]) -> Result<State> {
        optimizer.settings().check()?;
        optimizer.check()?;
        let zeros = |w: &&Tensor| -> Result<Vec<Tensor>> {
            optimizer.slots().iter().map(|_| Tensor::zeros(&w.device(), w.shape(), DType::F32)).collect()
        };
        let slots = parameters.iter().map(zeros).collect::<Result<_>>()?;
        Ok(State { slots, iteration: 0, table: Vec::new(), device_table: None, scratch: Vec::new() })
    }

    /// Changes the weights at `places` by `gradients`, each multiplied by its entry of `scales`, if there are any.
    ///
    /// `hyper` is [`Optimizer::hyper`]'s, on the parameters' device.
    pub fn step(
        &mut self,
        optimizer: &dyn Optimizer,
        weights: &mut [Tensor],
        places: &[usize],
        gradients: &[Tensor],
        hyper: &Tensor,
        scales: Option<&Tensor>,
    ) -> Result<()> {
        match hyper.device() {
            Device::Cpu => self.step_cpu(optimizer, weights, places, gradients, hyper, scales),
            Device::Cuda(device) => self.step_cuda(&device, optimizer, weights, places, gradients, hyper, scales),
        }
    }

    fn step_cpu(
        &mut self,
        optimizer: &dyn Optimizer,
        weights: &mut [Tensor],
        places: &[usize],
        gradients: &[Tensor],
        hyper: &Tensor,
        scales: Option<&Tensor>,
    ) -> Result<()> {
        let hyper: Hyper =
            hyper.data::<f32>()?.try_into().map_err(|_| Error::Internal("an optimizer reads eight numbers".into()))?;
        let scales = scales.map(|s| s.data::<f32>()).transpose()?;
        for (i, (&place, gradient)) in places.iter().zip(gradients).enumerate() {
            let weight = &mut weights[place];
            weight.make_unique()?;
            let gradient = gradient.data::<f32>()?;
            let weight = Parts::new(weight.data_mut::<f32>()?);
            let mut slots = smallvec::SmallVec::<[Parts<f32>; SLOTS]>::new();
            for slot in &mut self.slots[i] {
                slot.make_unique()?;
                slots.push(Parts::new(slot.data_mut::<f32>()?));
            }
            let scale = scales.map_or(1.0, |s| s[i]);
            threads::split(gradient.len(), GRAIN, &|range| {
                let mut pieces: [&mut [f32]; SLOTS] = Default::default();
                for (piece, slot) in pieces.iter_mut().zip(&slots) {
                    // SAFETY: `split` hands out ranges that do not overlap, and each slot is an array of its own.
                    *piece = unsafe { slot.slice(range.clone()) };
                }
                // SAFETY: as above.
                let weight = unsafe { weight.slice(range.clone()) };
                optimizer.update(
                    &hyper,
                    Piece { weight, gradient: &gradient[range], scale, slots: &mut pieces[..slots.len()] },
                );
            });
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn step_cuda(
        &mut self,
        device: &CudaDevice,
        optimizer: &dyn Optimizer,
        weights: &mut [Tensor],
        places: &[usize],
        gradients: &[Tensor],
        hyper: &Tensor,
        scales: Option<&Tensor>,
    ) -> Result<()> {
        let mut table = std::mem::take(&mut self.scratch);
        table.clear();
        table.reserve(places.len() * ENTRY);
        let mut chunks = 0usize;
        for ((&place, gradient), slots) in places.iter().zip(gradients).zip(&self.slots) {
            let weight = &weights[place];
            let address =
                |t: Option<&Tensor>| -> Result<i64> { t.map_or(Ok(0), |t| Ok(t.cuda_block()?.pointer() as i64)) };
            let size = weight.shape().size();
            table.extend([address(Some(weight))?, address(Some(gradient))?]);
            for i in 0..SLOTS {
                table.push(address(slots.get(i))?);
            }
            table.extend([size as i64, chunks as i64, 0]);
            chunks += size.div_ceil(CHUNK);
        }
        if places.is_empty() {
            return Ok(());
        }
        // A graph reads its own table at each launch, so that it gets one that nobody else has: a table of steps that are
        // not captured may hold the same addresses, and goes when the next such step has others.
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
        let scales = scales.map_or(Ok(Arg::Ptr(0)), |scales| Arg::input(scales))?;
        let args = [
            Arg::input(&device_table)?,
            Arg::I64(places.len() as i64),
            Arg::I64(CHUNK as i64),
            Arg::input(hyper)?,
            scales,
        ];
        device.launch(optimizer.kernel(), DType::F32, Grid::rows(chunks, THREADS), &args)
    }
}

/// Gradients below this are taken as 0: no rule makes of them a step that a weight could show. What a rule keeps is 0 below
/// [`Float::NEGLIGIBLE`]. `kernels/optimizers.cu` does the same.
const SMALLEST: f32 = 1e-15;

/// What a rule starts from: the weight after its decay, and the gradient after clipping.
#[inline(always)]
fn start(hyper: &Hyper, scale: f32, w: f32, g: f32) -> (f32, f32) {
    let [_, decay, most, ..] = *hyper;
    let g = g * scale;
    // Comparisons that leave NaN as it is.
    let g = if g > most { most } else { g };
    let g = if g < -most { -most } else { g };
    // Rules square the gradient, and what is negligible of a square is more of it.
    let g = if g.abs() < SMALLEST { 0.0 } else { g };
    (w - w * decay, g)
}

/// Runs a rule that keeps nothing: from weight and gradient to the weight.
#[inline(always)]
pub(super) fn none(hyper: &Hyper, piece: Piece, rule: impl Fn(f32, f32) -> f32) {
    let Piece { weight, gradient, scale, .. } = piece;
    // Owned by the loop below: what it reads by reference, it would read again after each store.
    let hyper = *hyper;
    vectorize(
        #[inline(always)]
        move || {
            for (w, &g) in weight.iter_mut().zip(gradient) {
                let (start, g) = start(&hyper, scale, *w, g);
                *w = rule(start, g);
            }
        },
    );
}

/// Runs a rule that keeps one number a weight: from weight, gradient and it to the weight and it.
#[inline(always)]
pub(super) fn one(hyper: &Hyper, piece: Piece, rule: impl Fn(f32, f32, f32) -> (f32, f32)) {
    let Piece { weight, gradient, scale, slots } = piece;
    // Owned by the loop below: what it reads by reference, it would read again after each store.
    let hyper = *hyper;
    let [a, ..] = slots else { return };
    vectorize(
        #[inline(always)]
        move || {
            for ((w, &g), a) in weight.iter_mut().zip(gradient).zip(a.iter_mut()) {
                let (start, g) = start(&hyper, scale, *w, g);
                (*w, *a) = rule(start, g, *a);
                *a = a.flush();
            }
        },
    );
}

/// Runs a rule that keeps two numbers a weight.
#[inline(always)]
pub(super) fn two(hyper: &Hyper, piece: Piece, rule: impl Fn(f32, f32, f32, f32) -> (f32, f32, f32)) {
    let Piece { weight, gradient, scale, slots } = piece;
    // Owned by the loop below: what it reads by reference, it would read again after each store.
    let hyper = *hyper;
    let [a, b, ..] = slots else { return };
    vectorize(
        #[inline(always)]
        move || {
            for (((w, &g), a), b) in weight.iter_mut().zip(gradient).zip(a.iter_mut()).zip(b.iter_mut()) {
                let (start, g) = start(&hyper, scale, *w, g);
                (*w, *a, *b) = rule(start, g, *a, *b);
                (*a, *b) = (a.flush(), b.flush());
            }
        },
    );
}

/// Runs a rule that keeps three numbers a weight.
#[inline(always)]
pub(super) fn three(hyper: &Hyper, piece: Piece, rule: impl Fn(f32, f32, [f32; 3]) -> (f32, [f32; 3])) {
    let Piece { weight, gradient, scale, slots } = piece;
    // Owned by the loop below: what it reads by reference, it would read again after each store.
    let hyper = *hyper;
    let [a, b, c] = slots else { return };
    vectorize(
        #[inline(always)]
        move || {
            let slots = a.iter_mut().zip(b.iter_mut()).zip(c.iter_mut());
            for ((w, &g), ((a, b), c)) in weight.iter_mut().zip(gradient).zip(slots) {
                let (start, g) = start(&hyper, scale, *w, g);
                (*w, [*a, *b, *c]) = rule(start, g, [*a, *b, *c]);
                (*a, *b, *c) = (a.flush(), b.flush(), c.flush());
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cuda::testing;
    use crate::optimizers::SGD;

    #[test]
    fn what_is_negligible_is_0_on_every_device() -> Result<()> {
        let devices = [Some(Device::Cpu), testing::device().map(Device::Cuda)];
        for device in devices.into_iter().flatten() {
            let put = |values: &[f32]| Tensor::from_slice(values, values.len())?.to_device(&device);
            let optimizer = SGD::new(1.0).momentum(0.5);
            let mut weights = [put(&[0.0; 4])?];
            let mut state = State::new(&optimizer, &[&weights[0]])?;
            state.slots[0][0] = put(&[1.5e-30, 4e-30, 0.0, 0.0])?;
            let gradient = put(&[9e-16, 0.0, 2e-15, f32::NAN])?;
            let hyper = put(&optimizer.hyper(0, 1.0))?;
            state.step(&optimizer, &mut weights, &[0], &[gradient], &hyper, None)?;
            let (weight, kept) = (weights[0].to_vec::<f32>()?, state.slots[0][0].to_vec::<f32>()?);
            assert_eq!(
                (&weight[..3], &kept[..3]),
                (&[7.5e-31, 2e-30, -2e-15][..], &[0.0, 2e-30, -2e-15][..]),
                "{device}"
            );
            assert!(weight[3].is_nan() && kept[3].is_nan(), "{device}");
        }
        Ok(())
    }
}
