//! Adafactor.

use super::settings::{positive, range};
use super::{Hyper, Optimizer, Piece, Settings, Slot, settings_of};
use crate::device::cuda::Kernel;
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::schedules::LearningRate;
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::json;

/// Of a matrix the mean squares of the rows, r, and of the columns, c, stand for those of its elements:
/// `r ← β·r + (1−β)·mean(g² + ε₁)` over columns, c alike over rows, `v = r·c / mean(r)`; of a vector
/// `v ← β·v + (1−β)·(g² + ε₁)`. Then `u = g / √v` and `w ← w − max(ε₂, rms(w))·ρ·u / max(1, rms(u) / d)`, with
/// `β = 1 − t^γ` and `ρ = min(lr, 1 / √t)` in step t, counted from 1. Of tensors of more axes the last two are rows and
/// columns (Shazeer and Stern, *Adafactor: adaptive learning rates with sublinear memory cost*, ICML 2018;
/// [Keras](https://keras.io/api/optimizers/adafactor/)). The rule is ops, some twenty launches for each parameter on a
/// CUDA card. As in Keras v is kept too, so that no memory is saved.
///
/// Defaults: learning rate 0.001, γ −0.8, ε₁ 1e-30, ε₂ 1e-3, d 1, relative step.
#[derive(Clone, Debug)]
pub struct Adafactor {
    pub(super) settings: Settings,
    beta_2_decay: f64,
    epsilon_1: f64,
    epsilon_2: f64,
    clip_threshold: f64,
    relative_step: bool,
}

impl Adafactor {
    /// Adafactor at this learning rate.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Adafactor {
        Adafactor {
            settings: Settings::new(learning_rate),
            beta_2_decay: -0.8,
            epsilon_1: 1e-30,
            epsilon_2: 1e-3,
            clip_threshold: 1.0,
            relative_step: true,
        }
    }

    /// How the weight of new squares falls with the steps, γ; by default −0.8.
    pub fn beta_2_decay(mut self, decay: f64) -> Self {
        self.beta_2_decay = decay;
        self
    }

    /// What is added to squares; by default 1e-30.
    pub fn epsilon_1(mut self, epsilon: f64) -> Self {
        self.epsilon_1 = epsilon;
        self
    }

    /// The least that a parameter's size counts; by default 1e-3.
    pub fn epsilon_2(mut self, epsilon: f64) -> Self {
        self.epsilon_2 = epsilon;
        self
    }

    /// The root mean square above which an update is shrunk to it; by default 1.
    pub fn clip_threshold(mut self, threshold: f64) -> Self {
        self.clip_threshold = threshold;
        self
    }

    /// Keras's word for a learning rate of at most `1 / √t`. Its rule takes that minimum either way, so that this is
    /// kept for its files and changes nothing.
    pub fn relative_step(mut self, relative: bool) -> Self {
        self.relative_step = relative;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Adafactor> {
        let default = Adafactor::new(0.001);
        Ok(Adafactor {
            beta_2_decay: config.number("beta_2_decay", default.beta_2_decay)?,
            epsilon_1: config.number("epsilon_1", default.epsilon_1)?,
            epsilon_2: config.number("epsilon_2", default.epsilon_2)?,
            clip_threshold: config.number("clip_threshold", default.clip_threshold)?,
            relative_step: config.flag("relative_step", default.relative_step)?,
            settings: default.settings,
        })
    }
}

impl Optimizer for Adafactor {
    settings_of!(Adafactor);

    fn slots(&self) -> &'static [&'static str] {
        &["r", "c", "velocity"]
    }

    fn slot(&self, slot: usize, _path: &str, shape: &Shape) -> Slot {
        match (slot, shape.len()) {
            (2.., _) => Slot::Kept(*shape),
            (_, 0 | 1) => Slot::Placeholder,
            (slot, rank) => Slot::Kept(shape.without(rank - 1 - slot)),
        }
    }

    fn is_whole(&self, _path: &str, _shape: &Shape) -> bool {
        true
    }

    fn update_whole(&self, hyper: &Tensor, weight: &Tensor, gradient: &Tensor, slots: &mut [Tensor]) -> Result<Tensor> {
        let [r, c, v] = slots else { return Err(Error::Internal("Adafactor keeps three tensors".into())) };
        let number = |i| hyper.slice(0, i..i + 1)?.reshape(());
        let (rho, beta, rest) = (number(3)?, number(4)?, number(5)?);
        let rms = |x: &Tensor| x.square()?.mean(&[], false)?.sqrt();
        let at_least = |x: Tensor, least: f64| x.clip(least, f64::INFINITY);
        let squares = gradient.square()?.add_scalar(self.epsilon_1)?;
        let follow = |mean: &Tensor, new: &Tensor| mean.mul(&beta)?.add(&new.mul(&rest)?);
        let dims = weight.shape();
        if dims.len() >= 2 {
            let means = |of: &Tensor, axis| follow(of, &squares.mean(&[axis], false)?);
            let (new_r, new_c) = (means(r, -1)?, means(c, -2)?);
            let shares = new_r.div(&new_r.mean(&[-1], true)?)?;
            let shares = shares.reshape(dims.with(dims.len() - 1, 1)?)?;
            let new_v = shares.mul(&new_c.reshape(dims.with(dims.len() - 2, 1)?)?)?;
            r.assign(&new_r)?;
            c.assign(&new_c)?;
            v.assign(&new_v)?;
        } else {
            let new_v = follow(v, &squares)?;
            v.assign(&new_v)?;
        }
        let update = gradient.div(&v.sqrt()?)?;
        let shrunk = update.div(&at_least(rms(&update)?.mul_scalar(1.0 / self.clip_threshold)?, 1.0)?)?;
        weight.sub(&shrunk.mul(&at_least(rms(weight)?, self.epsilon_2)?.mul(&rho)?)?)
    }

    fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper {
        let step = (iteration + 1) as f64;
        let rest = step.powf(self.beta_2_decay);
        self.settings.hyper(learning_rate, [learning_rate.min(1.0 / step.sqrt()), 1.0 - rest, rest, 0.0, 0.0])
    }

    fn check(&self) -> Result<()> {
        range("beta_2_decay", self.beta_2_decay, f64::MIN, 0.0)?;
        range("epsilon_1", self.epsilon_1, 0.0, f64::INFINITY)?;
        range("epsilon_2", self.epsilon_2, 0.0, f64::INFINITY)?;
        positive("clip_threshold", self.clip_threshold)
    }

    fn update(&self, _hyper: &Hyper, _piece: Piece) {
        // Every parameter is whole.
    }

    fn kernel(&self) -> Option<&'static Kernel> {
        None
    }

    fn config(&self) -> Config {
        object(json!({
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }))
    }
}
