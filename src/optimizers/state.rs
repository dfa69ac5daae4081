//! What an optimizer keeps, and one step of it.

use super::clip::{clip_scales, clipped, factors};
use super::pass::{Call, Parameters, Pass};
use super::{Hyper, Optimizer, Piece, accumulate, average};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use smallvec::SmallVec;

/// An optimizer's numbers for each trainable parameter, and how many steps it has made.
#[derive(Debug)]
pub struct State {
    /// For each parameter its slots, in the order of `all_slots` of the optimizer.
    pub slots: Vec<Vec<Tensor>>,
    /// Steps made, also those that only added to the gradients.
    pub iteration: u64,
    /// Whether each parameter decays.
    decays: Vec<bool>,
    /// Whether each is updated as a whole.
    whole: Vec<bool>,
    /// The numbers of the coming step, on the parameters' device.
    hyper: Tensor,
    /// Those of the moving average, where there is one.
    average: Option<Tensor>,
    /// Those that add to the accumulated gradients and that clear them, where there are any.
    accumulate: Option<[Tensor; 2]>,
    passes: [Pass; 4],
}

impl State {
    /// The state before the first step, for these parameters and their paths.
    ///
    /// # Errors
    /// Arguments of the optimizer outside their range; on a CUDA card a rule without a kernel.
    pub fn new(optimizer: &dyn Optimizer, parameters: &[(&str, &Tensor)]) -> Result<State> {
        let settings = optimizer.settings();
        settings.check()?;
        optimizer.check()?;
        let device = parameters.first().map_or(Device::Cpu, |(_, w)| w.device());
        let whole: Vec<bool> = parameters.iter().map(|(path, w)| optimizer.is_whole(path, &w.shape())).collect();
        if let (Device::Cuda(_), None, Some(at)) = (&device, optimizer.kernel(), whole.iter().position(|whole| !whole))
        {
            let (class, path) = (optimizer.class_name(), parameters[at].0);
            let message = format!("{class} has no CUDA kernel to change `{path}` by");
            return Err(Error::Config(format!("{message}: train on the CPU, or give it an update_whole")));
        }
        let slots = |(path, w): &(&str, &Tensor)| optimizer.first_slots(&device, path, &w.shape());
        let numbers = |hyper: Hyper| Tensor::from_slice(&hyper, hyper.len())?.to_device(&device)?.copy();
        let zeros = || numbers(Hyper::default());
        Ok(State {
            slots: parameters.iter().map(slots).collect::<Result<_>>()?,
            iteration: 0,
            decays: parameters.iter().map(|(path, _)| settings.decays(path)).collect(),
            whole,
            hyper: zeros()?,
            average: settings.use_ema.then(zeros).transpose()?,
            accumulate: match settings.accumulates() {
                true => Some([numbers(accumulate::hyper(true))?, numbers(accumulate::hyper(false))?]),
                false => None,
            },
            passes: Default::default(),
        })
    }

    /// Whether the coming step changes weights, and does not only add its gradients to those of others.
    pub fn updates(&self, optimizer: &dyn Optimizer) -> bool {
        (self.iteration + 1).is_multiple_of(optimizer.settings().steps())
    }

    /// Brings the numbers of the coming step to the device: what [`State::step`] reads there and a recorded step too.
    pub fn prepare(&mut self, optimizer: &dyn Optimizer) -> Result<()> {
        let settings = optimizer.settings();
        let (rate, updates) = (settings.learning_rate.at(self.iteration), self.iteration / settings.steps());
        let write = |to: &mut Tensor, hyper: Hyper| to.assign(&Tensor::from_slice(&hyper, [hyper.len()])?);
        write(&mut self.hyper, optimizer.hyper(updates, rate))?;
        match &mut self.average {
            Some(numbers) => write(numbers, average::hyper(settings, updates)),
            None => Ok(()),
        }
    }

    /// Changes the weights at `places` by `gradients`, after [`State::prepare`]: unscaled, accumulated and clipped as
    /// the optimizer's settings say. Counting [`State::iteration`] is left to the caller.
    pub fn step(
        &mut self,
        optimizer: &dyn Optimizer,
        weights: &mut [Tensor],
        places: &[usize],
        gradients: &[Tensor],
    ) -> Result<()> {
        let settings = optimizer.settings();
        let unscale = settings.loss_scale_factor.map_or(1.0, |factor| 1.0 / factor);
        let (updates, count) = (self.updates(optimizer), optimizer.slots().len());
        let State { slots, decays, whole, hyper, average, accumulate, passes, .. } = self;
        let [rule, add, clear, mean] = passes;
        let run =
            |pass: &mut Pass, weights: &mut [Tensor], slots: &mut [Vec<Tensor>], gradients: &[Tensor], call: Call| {
                pass.run(&call, Parameters { weights, places, gradients, slots, decays })
            };
        let update = |hyper: &Hyper, piece: Piece| optimizer.update(hyper, piece);
        let mut apply =
            |weights: &mut [Tensor], slots: &mut [Vec<Tensor>], gradients: &[Tensor], scales: Option<&Tensor>| {
                if whole.contains(&false) {
                    let kernel = optimizer.kernel();
                    let call = Call { update: &update, kernel, hyper, scales, slots: 0..count, skip: whole };
                    run(rule, &mut *weights, &mut *slots, gradients, call)?;
                }
                for (i, &place) in places.iter().enumerate().filter(|(i, _)| whole[*i]) {
                    let gradient = clipped(settings, &gradients[i], scales, i)?;
                    let decay = settings.weight_decay.filter(|_| decays[i]);
                    let weight = decayed(&weights[place], decay, hyper)?;
                    let weight = optimizer.update_whole(hyper, &weight, &gradient, &mut slots[i][..count])?;
                    weights[place].assign(&weight)?;
                }
                Ok::<(), Error>(())
            };
        match accumulate {
            None => {
                let scales = clip_scales(settings, gradients, unscale)?;
                apply(weights, slots, gradients, scales.as_ref())?;
            }
            Some([keep, drop]) => {
                // The last slot: what Keras's file has too, so unscaled.
                let last = optimizer.all_slots().len() - 1;
                let sums = |slots: &[Vec<Tensor>]| slots.iter().map(|s| s[last].clone()).collect::<SmallVec<[_; 16]>>();
                let scales = factors(gradients, unscale)?;
                let call = |hyper, scales| Call {
                    update: &accumulate::update,
                    kernel: Some(&accumulate::KERNEL),
                    hyper,
                    scales,
                    slots: last..last + 1,
                    skip: &[],
                };
                run(add, &mut *weights, slots, gradients, call(keep, scales.as_ref()))?;
                if updates {
                    let sums = sums(slots);
                    let scales = clip_scales(settings, &sums, 1.0 / settings.steps() as f64)?;
                    apply(weights, slots, &sums, scales.as_ref())?;
                    std::mem::drop(sums);
                    run(clear, &mut *weights, slots, gradients, call(drop, None))?;
                }
            }
        }
        if updates {
            for (&place, slots) in places.iter().zip(&*slots) {
                if let Some(weight) = optimizer.finish(hyper, &weights[place], &slots[..count])? {
                    weights[place].assign(&weight)?;
                }
            }
        }
        if let Some(hyper) = average {
            let call = Call {
                update: &average::update,
                kernel: Some(&average::KERNEL),
                hyper,
                scales: None,
                slots: count..count + 1,
                skip: &[],
            };
            run(mean, &mut *weights, slots, gradients, call)?;
        }
        Ok(())
    }
}

/// A weight after its decay by the learning rate in force.
fn decayed(weight: &Tensor, decay: Option<f64>, hyper: &Tensor) -> Result<Tensor> {
    let Some(decay) = decay else { return Ok(weight.clone()) };
    let share = hyper.slice(0, 0..1)?.reshape(())?.mul_scalar(decay)?;
    weight.sub(&weight.mul(&share)?)
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
            let mut state = State::new(&optimizer, &[("w", &weights[0])])?;
            state.slots[0][0] = put(&[1.5e-30, 4e-30, 0.0, 0.0])?;
            let gradient = put(&[9e-16, 0.0, 2e-15, f32::NAN])?;
            state.prepare(&optimizer)?;
            state.step(&optimizer, &mut weights, &[0], &[gradient])?;
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
