//! How much of a picture and how much noise there is at each time.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use serde_json::{Value, json};

/// From the time 0, where a picture is nearly itself, to 1, where it is nearly noise: x(t) = signal rate · picture + noise
/// rate · noise, of which the squares of both rates add up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseSchedule {
    /// The signal rate is the cosine of an angle, and the noise rate its sine, that grows evenly from acos(max_signal_rate)
    /// to acos(min_signal_rate) ([Nichol and Dhariwal, 2021](https://arxiv.org/abs/2102.09672), as in
    /// [Keras's example](https://keras.io/examples/generative/ddim/)).
    Cosine {
        /// At the time 1; not 0, where a picture could not be told from the noise that is predicted.
        min_signal_rate: f64,
        /// At the time 0.
        max_signal_rate: f64,
    },
    /// The rate β at which noise is added grows evenly: signal rate exp(−½ ∫β), with ∫β = min_beta · t + ½ (max_beta −
    /// min_beta) t²; the limit of many steps of [Ho et al., 2020](https://arxiv.org/abs/2006.11239), as in [Song et al.,
    /// 2021](https://arxiv.org/abs/2011.13456).
    Linear {
        /// β at the time 0, of a unit of time.
        min_beta: f64,
        /// β at the time 1.
        max_beta: f64,
    },
}

/// A signal rate and a noise rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates<T> {
    /// What the picture is multiplied by.
    pub signal: T,
    /// What the noise is multiplied by.
    pub noise: T,
}

impl NoiseSchedule {
    /// The cosine schedule of Keras's example, with signal rates from 0.95 to 0.02.
    pub const COSINE: NoiseSchedule = NoiseSchedule::Cosine { min_signal_rate: 0.02, max_signal_rate: 0.95 };

    /// The linear schedule of Ho et al.: a thousand steps from 10⁻⁴ to 0.02 are β from 0.1 to 20.
    pub const LINEAR: NoiseSchedule = NoiseSchedule::Linear { min_beta: 0.1, max_beta: 20.0 };

    /// Refuses rates that are none.
    ///
    /// # Errors
    /// Signal rates that are not 0 < min < max ≤ 1, a β that is negative, not finite, or falls.
    pub fn check(&self) -> Result<()> {
        let (holds, expected, [low, high]) = match *self {
            NoiseSchedule::Cosine { min_signal_rate: low, max_signal_rate: high } => {
                (low > 0.0 && low < high && high <= 1.0, "0 < min_signal_rate < max_signal_rate <= 1", [low, high])
            }
            NoiseSchedule::Linear { min_beta: low, max_beta: high } => {
                (low >= 0.0 && low < high && high.is_finite(), "0 <= min_beta < max_beta", [low, high])
            }
        };
        match holds {
            true => Ok(()),
            false => Err(Error::Config(format!("a noise schedule: expected {expected}, got {low} and {high}"))),
        }
    }

    /// The rates at a time from 0 to 1.
    pub fn rates(&self, time: f64) -> Rates<f64> {
        match *self {
            NoiseSchedule::Cosine { .. } => {
                let (start, range) = self.angles();
                let (noise, signal) = (start + range * time).sin_cos();
                Rates { signal, noise }
            }
            NoiseSchedule::Linear { min_beta, max_beta } => {
                let decay = -time * (0.5 * min_beta + 0.25 * (max_beta - min_beta) * time);
                Rates { signal: decay.exp(), noise: (-(2.0 * decay).exp_m1()).sqrt() }
            }
        }
    }

    /// The same of each of a tensor's times.
    ///
    /// # Errors
    /// A dtype that is no float, a device that fails.
    pub fn rates_of(&self, times: &Tensor) -> Result<Rates<Tensor>> {
        match *self {
            NoiseSchedule::Cosine { .. } => {
                let (start, range) = self.angles();
                let angles = times.rescale(range, start)?;
                Ok(Rates { signal: angles.cos()?, noise: angles.sin()? })
            }
            NoiseSchedule::Linear { min_beta, max_beta } => {
                let decay = times.mul(&times.rescale(-0.25 * (max_beta - min_beta), -0.5 * min_beta)?)?;
                let signal = decay.exp()?;
                // What is left to 1 is not exact near the time 0, where rounding must not make it negative.
                let noise = signal.square()?.rescale(-1.0, 1.0)?.clip(1e-6, 1.0)?.sqrt()?;
                Ok(Rates { signal, noise })
            }
        }
    }

    /// Where the angle of a cosine schedule begins, and how far it goes.
    fn angles(&self) -> (f64, f64) {
        let NoiseSchedule::Cosine { min_signal_rate, max_signal_rate } = *self else { return (0.0, 0.0) };
        let (start, end) = (max_signal_rate.acos(), min_signal_rate.acos());
        (start, end - start)
    }

    /// As JSON, for [`NoiseSchedule::from_json`].
    pub fn to_json(&self) -> Value {
        match *self {
            NoiseSchedule::Cosine { min_signal_rate, max_signal_rate } => {
                json!({"name": "cosine", "min_signal_rate": min_signal_rate, "max_signal_rate": max_signal_rate})
            }
            NoiseSchedule::Linear { min_beta, max_beta } => {
                json!({"name": "linear", "min_beta": min_beta, "max_beta": max_beta})
            }
        }
    }

    /// What [`NoiseSchedule::to_json`] wrote.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_json(value: &Value) -> Result<NoiseSchedule> {
        let number = |name: &str| {
            let missing = || Error::Data(format!("a noise schedule without the number `{name}`"));
            value.get(name).and_then(Value::as_f64).ok_or_else(missing)
        };
        let schedule = match value.get("name").and_then(Value::as_str) {
            Some("cosine") => NoiseSchedule::Cosine {
                min_signal_rate: number("min_signal_rate")?,
                max_signal_rate: number("max_signal_rate")?,
            },
            Some("linear") => NoiseSchedule::Linear { min_beta: number("min_beta")?, max_beta: number("max_beta")? },
            _ => return Err(Error::Data("a noise schedule that is neither cosine nor linear".into())),
        };
        schedule.check().map(|()| schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_the_papers() -> Result<()> {
        let Rates { signal, noise } = NoiseSchedule::COSINE.rates(0.0);
        assert!((signal - 0.95).abs() < 1e-12 && (signal * signal + noise * noise - 1.0).abs() < 1e-12);
        assert!((NoiseSchedule::COSINE.rates(1.0).signal - 0.02).abs() < 1e-12);
        // Ho et al.: the product of 1 − β over a thousand steps, of which the first half.
        let beta = |step: usize| 1e-4 + (0.02 - 1e-4) * step as f64 / 999.0;
        for steps in [100, 500, 1000] {
            let product: f64 = (0..steps).map(|step| 1.0 - beta(step)).product();
            let signal = NoiseSchedule::LINEAR.rates(steps as f64 / 1000.0).signal;
            assert!((signal / product.sqrt() - 1.0).abs() < 0.06, "{steps}: {signal}, {}", product.sqrt());
        }
        Ok(())
    }

    #[test]
    fn tensors_have_the_same_rates() -> Result<()> {
        let times = [0f32, 0.01, 0.3, 0.5, 0.99, 1.0];
        for schedule in [NoiseSchedule::COSINE, NoiseSchedule::LINEAR] {
            let rates = schedule.rates_of(&Tensor::from_slice(&times, times.len())?)?;
            let (signals, noises) = (rates.signal.to_vec::<f32>()?, rates.noise.to_vec::<f32>()?);
            for ((time, signal), noise) in times.iter().zip(signals).zip(noises) {
                let want = schedule.rates(f64::from(*time));
                assert!((f64::from(signal) - want.signal).abs() < 1e-6, "{schedule:?} at {time}");
                // The root of what rounding leaves.
                assert!((f64::from(noise) - want.noise).abs() < 1.1e-3, "{schedule:?} at {time}");
            }
            assert_eq!(NoiseSchedule::from_json(&schedule.to_json())?, schedule);
        }
        Ok(())
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for (low, high) in [(0.0, 0.95), (0.5, 0.5), (0.02, 1.1), (f64::NAN, 0.9)] {
            assert!(NoiseSchedule::Cosine { min_signal_rate: low, max_signal_rate: high }.check().is_err());
        }
        assert!(NoiseSchedule::Linear { min_beta: 1.0, max_beta: f64::INFINITY }.check().is_err());
        for value in [json!(null), json!({"name": "square"}), json!({"name": "linear", "min_beta": 0.1})] {
            assert!(NoiseSchedule::from_json(&value).is_err(), "{value}");
        }
    }
}
