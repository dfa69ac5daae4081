//! One value everywhere.

use super::{Initializer, number};
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// One value everywhere; by default 0 ([Keras](https://keras.io/api/layers/initializers/#constant-class)).
#[derive(Clone, Copy, Debug)]
pub struct Constant {
    value: f64,
}

impl Constant {
    /// This value everywhere.
    pub fn new(value: f64) -> Constant {
        Constant { value }
    }

    pub(super) fn from_config(config: &Map<String, Value>) -> Result<Constant> {
        Ok(Constant { value: number(config, "value", 0.0)? })
    }
}

impl Default for Constant {
    fn default() -> Self {
        Constant::new(0.0)
    }
}

impl Initializer for Constant {
    fn class_name(&self) -> &'static str {
        "Constant"
    }

    fn config(&self) -> Map<String, Value> {
        Map::from_iter([("value".into(), self.value.into())])
    }

    fn values(&self, shape: &Shape, _: &Philox) -> Result<Vec<f32>> {
        Ok(vec![self.value as f32; shape.size()])
    }

    fn boxed(&self) -> Box<dyn Initializer> {
        Box::new(*self)
    }
}

macro_rules! constants {
    ($($(#[$doc:meta])* $class:ident $value:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $class;

        impl $class {
            pub(super) fn from_config(_: &Map<String, Value>) -> Result<$class> {
                Ok($class)
            }
        }

        impl Initializer for $class {
            fn class_name(&self) -> &'static str {
                stringify!($class)
            }

            fn config(&self) -> Map<String, Value> {
                Map::new()
            }

            fn values(&self, shape: &Shape, _: &Philox) -> Result<Vec<f32>> {
                Ok(vec![$value; shape.size()])
            }

            fn boxed(&self) -> Box<dyn Initializer> {
                Box::new(*self)
            }
        }
    )+};
}

constants! {
    /// 1 everywhere ([Keras](https://keras.io/api/layers/initializers/#ones-class)).
    Ones 1.0;
    /// 0 everywhere ([Keras](https://keras.io/api/layers/initializers/#zeros-class)).
    Zeros 0.0;
}
