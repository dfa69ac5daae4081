//! Numbers scaled by a weight's fans.

use super::{Initializer, fans, normal, number, refuse, truncated_normal, uniform};
use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use crate::shape::Shape;
use serde_json::{Map, Value};

/// Numbers of the variance scale / n, with n the inputs of a unit, its outputs, or their mean
/// ([Keras](https://keras.io/api/layers/initializers/#variancescaling-class)).
///
/// Defaults: the scale 1, the inputs (`fan_in`), truncated normal numbers; `uniform` ones lie over ±√(3 scale / n).
#[derive(Clone, Copy, Debug)]
pub struct VarianceScaling {
    pub(super) scale: f64,
    pub(super) mode: &'static str,
    pub(super) distribution: &'static str,
}

/// What is left of a normal distribution's standard deviation when it is cut at two of them.
const CUT: f64 = 0.879_625_661_034_239_8;

const MODES: [&str; 3] = ["fan_in", "fan_out", "fan_avg"];
const DISTRIBUTIONS: [&str; 3] = ["truncated_normal", "untruncated_normal", "uniform"];

impl VarianceScaling {
    /// The initializer of this scale, with Keras's names of the others: `fan_in`, `fan_out` or `fan_avg`;
    /// `truncated_normal`, `untruncated_normal` or `uniform`.
    ///
    /// # Errors
    /// A scale that is not positive, another name.
    pub fn new(scale: f64, mode: &str, distribution: &str) -> Result<VarianceScaling> {
        let known = |name: &str, value: &str, all: [&'static str; 3]| {
            all.into_iter().find(|known| *known == value).ok_or_else(|| {
                let all = all.join(", ");
                Error::Config(format!("argument `{name}` of an initializer: expected one of {all}, got {value}"))
            })
        };
        if !(scale > 0.0 && scale.is_finite()) {
            let message = format!("argument `scale` of an initializer: expected a positive number, got {scale}");
            return Err(Error::Config(message));
        }
        // Keras's other name.
        let distribution = if distribution == "normal" { "truncated_normal" } else { distribution };
        let (mode, distribution) = (known("mode", mode, MODES)?, known("distribution", distribution, DISTRIBUTIONS)?);
        Ok(VarianceScaling { scale, mode, distribution })
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<VarianceScaling> {
        refuse(config, &["input_axes", "output_axes"])?;
        let word = |name: &str| config.get(name).and_then(Value::as_str);
        let distribution = word("distribution").unwrap_or("truncated_normal").to_lowercase();
        VarianceScaling::new(number(config, "scale", 1.0)?, word("mode").unwrap_or("fan_in"), &distribution)
    }
}

impl Default for VarianceScaling {
    fn default() -> Self {
        VarianceScaling { scale: 1.0, mode: MODES[0], distribution: DISTRIBUTIONS[0] }
    }
}

impl Initializer for VarianceScaling {
    fn class_name(&self) -> &'static str {
        "VarianceScaling"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([
            ("scale".into(), self.scale.into()),
            ("mode".into(), self.mode.into()),
            ("distribution".into(), self.distribution.into()),
            ("seed".into(), Value::Null),
            ("input_axes".into(), Value::Null),
            ("output_axes".into(), Value::Null),
        ])
    }

    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
        let (inputs, outputs) = fans(shape);
        let n = match self.mode {
            "fan_in" => inputs,
            "fan_out" => outputs,
            _ => (inputs + outputs) / 2.0,
        };
        let n = n.max(1.0);
        let stddev = (self.scale / n).sqrt();
        Ok(match self.distribution {
            "uniform" => {
                let limit = (3.0 * self.scale / n).sqrt();
                uniform(shape, numbers, -limit, limit)
            }
            "untruncated_normal" => normal(shape, numbers, 0.0, stddev),
            _ => truncated_normal(shape, numbers, 0.0, stddev / CUT),
        })
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}
