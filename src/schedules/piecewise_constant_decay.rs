//! One rate after another.

use super::{Schedule, range};
use crate::error::{Error, Result};
use crate::layers::{Config, object};
use serde_json::{Value, json};

/// `values[0]` up to the step `boundaries[0]`, that one too, then `values[1]` up to `boundaries[1]`, …, and the last
/// value from there on ([Keras](https://keras.io/api/optimizers/learning_rate_schedules/piecewise_constant_decay/)).
///
/// ```
/// use uncrumple::prelude::*;
/// let optimizer = SGD::new(PiecewiseConstantDecay::new([1000, 5000], [1e-1, 1e-2, 1e-3]));
/// ```
#[derive(Clone, Debug)]
pub struct PiecewiseConstantDecay {
    boundaries: Vec<u64>,
    values: Vec<f64>,
}

impl PiecewiseConstantDecay {
    /// One value more than there are boundaries, which grow.
    pub fn new(boundaries: impl Into<Vec<u64>>, values: impl Into<Vec<f64>>) -> PiecewiseConstantDecay {
        PiecewiseConstantDecay { boundaries: boundaries.into(), values: values.into() }
    }

    pub(super) fn from_config(config: &Config) -> Result<PiecewiseConstantDecay> {
        fn list<T>(config: &Config, name: &str, one: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>> {
            let items = config.get(name).and_then(Value::as_array).and_then(|list| list.iter().map(one).collect());
            items.ok_or_else(|| Error::Config(format!("argument `{name}`: expected a list of numbers")))
        }
        // Keras compares whole numbers: what is behind a boundary's point falls away.
        let whole = |v: &Value| v.as_u64().or_else(|| v.as_f64().filter(|x| *x >= 0.0).map(|x| x as u64));
        Ok(PiecewiseConstantDecay {
            boundaries: list(config, "boundaries", whole)?,
            values: list(config, "values", Value::as_f64)?,
        })
    }
}

impl Schedule for PiecewiseConstantDecay {
    fn class_name(&self) -> &'static str {
        "PiecewiseConstantDecay"
    }

    fn at(&self, step: u64) -> f64 {
        let passed = self.boundaries.iter().filter(|&&boundary| step > boundary).count();
        self.values.get(passed).copied().unwrap_or(0.0)
    }

    fn check(&self) -> Result<()> {
        let (boundaries, values) = (&self.boundaries, &self.values);
        if boundaries.is_empty() || boundaries.len() + 1 != values.len() {
            let (boundaries, values) = (boundaries.len(), values.len());
            let message =
                format!("expected one or more, and one less than there are `values`, got {boundaries} and {values}");
            return Err(Error::Config(format!("argument `boundaries`: {message}")));
        }
        if !boundaries.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(Error::Config(format!("argument `boundaries`: expected steps that grow, got {boundaries:?}")));
        }
        values.iter().try_for_each(|&value| range("values", value, 0.0, f64::INFINITY))
    }

    fn config(&self) -> Config {
        object(json!({"boundaries": self.boundaries, "values": self.values, "name": "PiecewiseConstant"}))
    }
}
