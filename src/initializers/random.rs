//! Numbers of distributions that are given.

use super::{Initializer, normal, number, truncated_normal, uniform};
use crate::device::cpu::philox::Philox;
use crate::error::Result;
use crate::shape::Shape;
use serde_json::{Map, Value};

/// Initializers of two arguments: `Class(argument default, argument default) function`.
macro_rules! random {
    ($(
        $(#[$doc:meta])*
        $class:ident($a:ident $a_default:literal, $b:ident $b_default:literal) $draw:ident $new:literal;
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $class {
            $a: f64,
            $b: f64,
        }

        impl $class {
            #[doc = $new]
            pub fn new($a: f64, $b: f64) -> $class {
                $class { $a, $b }
            }

            pub(super) fn from_config(config: &Map<String, Value>) -> Result<$class> {
                let argument = |name, default| number(config, name, default);
                Ok($class { $a: argument(stringify!($a), $a_default)?, $b: argument(stringify!($b), $b_default)? })
            }
        }

        impl Default for $class {
            fn default() -> Self {
                $class::new($a_default, $b_default)
            }
        }

        impl Initializer for $class {
            fn class_name(&self) -> &'static str {
                stringify!($class)
            }

            fn config(&self) -> Map<String, Value> {
                Map::from_iter([
                    ("seed".into(), Value::Null),
                    (stringify!($a).into(), self.$a.into()),
                    (stringify!($b).into(), self.$b.into()),
                ])
            }

            fn values(&self, shape: &Shape, numbers: &Philox) -> Result<Vec<f32>> {
                Ok($draw(shape, numbers, self.$a, self.$b))
            }

            fn boxed(&self) -> Box<dyn Initializer> {
                Box::new(*self)
            }
        }
    )+};
}

random! {
    /// Normal numbers; by default of the mean 0 and the standard deviation 0.05
    /// ([Keras](https://keras.io/api/layers/initializers/#randomnormal-class)).
    RandomNormal(mean 0.0, stddev 0.05) normal "Normal numbers of this mean and standard deviation.";
    /// Uniform numbers over [minval, maxval); by default over [−0.05, 0.05)
    /// ([Keras](https://keras.io/api/layers/initializers/#randomuniform-class)).
    RandomUniform(minval -0.05, maxval 0.05) uniform "Uniform numbers over [minval, maxval).";
    /// Normal numbers of which those more than two standard deviations from the mean are drawn again; by default of the
    /// mean 0 and, before the cut, the standard deviation 0.05
    /// ([Keras](https://keras.io/api/layers/initializers/#truncatednormal-class)).
    TruncatedNormal(mean 0.0, stddev 0.05) truncated_normal
        "Numbers of this mean and, before the cut, this standard deviation.";
}
