//! Identity matrices.

use super::{Initializer, number};
use crate::device::cpu::philox::Philox;
use crate::error::{Error, Result};
use crate::shape::Shape;
use serde_json::{Map, Value};

/// gain on the diagonal, 0 elsewhere, for weights of two axes; by default the gain 1
/// ([Keras](https://keras.io/api/layers/initializers/#identity-class)).
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    gain: f64,
}

impl Identity {
    /// This number on the diagonal.
    pub fn new(gain: f64) -> Identity {
        Identity { gain }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<Identity> {
        Ok(Identity { gain: number(config, "gain", 1.0)? })
    }
}

impl Default for Identity {
    fn default() -> Self {
        Identity::new(1.0)
    }
}

impl Initializer for Identity {
    fn class_name(&self) -> &'static str {
        "Identity"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("gain".into(), self.gain.into())])
    }

    fn values(&self, shape: &Shape, _: &Philox) -> Result<Vec<f32>> {
        let [rows, columns] = *shape.dims() else {
            return Err(Error::shape("Identity", format!("expected a weight of 2 axes, got shape {shape}")));
        };
        let mut values = vec![0.0; rows * columns];
        values.iter_mut().step_by(columns + 1).take(rows.min(columns)).for_each(|x| *x = self.gain as f32);
        Ok(values)
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}
