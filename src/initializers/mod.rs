//! The first values of weights, one file each, under Keras's names.

mod glorot;
mod zeros;

pub use glorot::GlorotUniform;
pub use zeros::Zeros;

use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use crate::shape::Shape;
use serde_json::{Map, Value, json};
use std::fmt;

/// Makes the first values of a weight.
pub trait Initializer: fmt::Debug + Send + Sync + 'static {
    /// Keras's class.
    fn class_name(&self) -> &'static str;
    /// Keras's arguments.
    fn config(&self) -> Map<String, Value>;
    /// The values of a weight of this shape, drawn from `numbers`, which is the weight's alone.
    fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>>;
    /// A copy in a box.
    fn boxed(&self) -> Box<dyn Initializer>;
}

impl Clone for Box<dyn Initializer> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

impl dyn Initializer {
    /// Keras's serialized form.
    pub fn serialized(&self) -> Value {
        json!({
            "module": "keras.initializers",
            "class_name": self.class_name(),
            "config": self.config(),
            "registered_name": null,
        })
    }
}

/// The initializer that a Keras config describes; `class` may be in snake case.
///
/// # Errors
/// A class that this engine does not know.
pub fn from_config(class: &str, _config: &Map<String, Value>) -> Result<Box<dyn Initializer>> {
    match class {
        "GlorotUniform" | "glorot_uniform" => Ok(Box::new(GlorotUniform)),
        "Zeros" | "zeros" => Ok(Box::new(Zeros)),
        _ => Err(Error::Config(format!("unknown initializer `{class}`"))),
    }
}

/// How many inputs and outputs a unit of a kernel of this shape has: the fans of Glorot and Bengio (2010).
///
/// A kernel is `(…window, inputs, outputs)`; a vector counts as both, as in Keras.
pub fn fans(shape: &Shape) -> (f64, f64) {
    match shape.dims() {
        [] => (1.0, 1.0),
        [n] => (*n as f64, *n as f64),
        [window @ .., inputs, outputs] => {
            let window = window.iter().product::<usize>() as f64;
            (window * *inputs as f64, window * *outputs as f64)
        }
    }
}

/// Uniform numbers over [low, high).
pub fn uniform(shape: &Shape, numbers: &Philox, low: f64, high: f64) -> Vec<f32> {
    let number = |i: usize| numbers.uniform(i as u64 / 4)[i % 4];
    (0..shape.size()).map(|i| (low + (high - low) * f64::from(number(i))) as f32).collect()
}
