//! The loss of Huber.

use super::{Loss, Reduction, matched, of_values};
use crate::error::{Error, Result};
use crate::layers::{Config, Read, object};
use crate::tensor::Tensor;
use serde_json::json;

/// e² / 2 of errors e = p − t up to δ in size and δ |e| − δ² / 2 of larger ones, averaged over the last axis
/// ([Keras](https://keras.io/api/losses/regression_losses/#huber-class)).
///
/// Targets t, of any dtype, and predictions p: both `(batch, …, outputs)`; beside `(batch, 1)` the other may be
/// `(batch)`. Default: δ = 1. Keras does not write δ into its files; here another one than 1 is written, and Keras
/// reads it.
#[derive(Clone, Copy, Debug)]
pub struct Huber {
    delta: f64,
    pub(super) reduction: Reduction,
}

impl Huber {
    /// The loss with δ = 1.
    pub fn new() -> Huber {
        Huber { delta: 1.0, reduction: Reduction::default() }
    }

    /// The error from which the loss grows linearly.
    pub fn delta(mut self, delta: f64) -> Huber {
        self.delta = delta;
        self
    }

    pub(super) fn from_config(config: &Config) -> Result<Huber> {
        Ok(Huber { delta: config.number("delta", 1.0)?, reduction: Reduction::read(config)? })
    }
}

impl Default for Huber {
    fn default() -> Huber {
        Huber::new()
    }
}

impl Loss for Huber {
    of_values!(Huber);

    fn name(&self) -> String {
        "huber_loss".into()
    }

    fn call(&self, y_true: &Tensor, y_pred: &Tensor, _: bool) -> Result<Tensor> {
        if !(self.delta > 0.0 && self.delta.is_finite()) {
            return Err(Error::Config(format!("argument `delta`: expected a number above 0, got {}", self.delta)));
        }
        let (t, p) = matched("Huber", y_true, y_pred)?;
        let error = p.sub(&t)?;
        // c (e − c / 2) with the error c cut off at ±δ is both pieces in one.
        let cut = error.clip(-self.delta, self.delta)?;
        cut.mul(&error.sub(&cut.mul_scalar(0.5)?)?)?.mean(&[-1], false)
    }

    fn config(&self) -> Config {
        if self.delta == 1.0 { Config::new() } else { object(json!({"delta": self.delta})) }
    }
}
