//! The first values of weights, one file a family, under Keras's names.
//!
//! A new initializer is a file here and one word in the list below. A `seed` in a Keras config is kept and written
//! again, and not used: a weight's numbers are a function of the model's seed and its place, and no two engines share a
//! generator.

mod seeded;

use crate::device::cpu::philox::Philox;
use crate::device::cpu::{threads, vectorize};
use crate::error::{Error, Result};
use crate::registry::registry;
use crate::shape::Shape;
use serde_json::{Map, Value};
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
        REGISTRY.serialized(self.class_name(), self.config())
    }
}

/// Lists the initializers: `module: Class "name" "alias" …, …;`, the names that Keras takes beside the class.
macro_rules! initializers {
    ($($module:ident: $($class:ident $($name:literal)+),+;)*) => {
        $(
            mod $module;
            pub use $module::{$($class),+};
        )*

        /// The modules that hold initializers, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The classes that a model file can name.
        pub const CLASSES: &[&str] = &[$($(stringify!($class)),+),*];

        /// The initializer that a Keras config describes; `class` may be another of Keras's names for it, such as
        /// `glorot_uniform`.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Map<String, Value>) -> Result<Box<dyn Initializer>> {
            let initializer: Box<dyn Initializer> = match class {
                $($(stringify!($class) $(| $name)+ => Box::new($class::from_config(config)?),)+)*
                _ => REGISTRY.make(class, config)?,
            };
            Ok(match config.get("seed").filter(|seed| !seed.is_null()) {
                Some(seed) if initializer.config().contains_key("seed") => {
                    Box::new(seeded::Seeded { initializer, seed: seed.clone() })
                }
                _ => initializer,
            })
        }
    };
}

registry!(initializers: "initializer" in "keras.initializers", Initializer);

initializers! {
    constant: Constant "constant", Ones "ones" "one", Zeros "zeros" "zero";
    glorot: GlorotNormal "glorot_normal", GlorotUniform "glorot_uniform";
    he: HeNormal "he_normal", HeUniform "he_uniform";
    identity: Identity "identity" "IdentityInitializer";
    lecun: LecunNormal "lecun_normal", LecunUniform "lecun_uniform";
    orthogonal: Orthogonal "orthogonal" "OrthogonalInitializer";
    random: RandomNormal "random_normal" "normal", RandomUniform "random_uniform" "uniform",
        TruncatedNormal "truncated_normal";
    variance_scaling: VarianceScaling "variance_scaling";
}

/// A number of a config; absent or null it has its default.
fn number(config: &Map<String, Value>, name: &str, default: f64) -> Result<f64> {
    match config.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_f64().ok_or_else(|| {
            Error::Config(format!("argument `{name}` of an initializer: expected a number, got {value}"))
        }),
    }
}

/// Checks that arguments which this engine lacks are absent or null.
fn refuse(config: &Map<String, Value>, names: &[&str]) -> Result<()> {
    let given = names.iter().find_map(|name| config.get(*name).filter(|v| !v.is_null()).map(|value| (name, value)));
    given.map_or(Ok(()), |(name, value)| {
        Err(Error::Config(format!("argument `{name}` of an initializer: expected null, got {value}")))
    })
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
    let width = high - low;
    blocks(shape, |block, out| {
        for (out, share) in out.iter_mut().zip(numbers.uniform(block)) {
            *out = (low + width * f64::from(share)) as f32;
        }
    })
}

/// Normal numbers.
pub fn normal(shape: &Shape, numbers: &Philox, mean: f64, stddev: f64) -> Vec<f32> {
    blocks(shape, |block, out| {
        for (out, number) in out.iter_mut().zip(numbers.normal(block)) {
            *out = (mean + stddev * f64::from(number)) as f32;
        }
    })
}

/// Normal numbers of which those beyond two standard deviations are drawn again.
pub fn truncated_normal(shape: &Shape, numbers: &Philox, mean: f64, stddev: f64) -> Vec<f32> {
    blocks(shape, |block, out| {
        for (i, out) in out.iter_mut().enumerate() {
            *out = (mean + stddev * f64::from(numbers.truncated_normal(4 * block + i as u64))) as f32;
        }
    })
}

/// Fills blocks of four elements over the threads: `work` gets a block's number and its elements.
fn blocks(shape: &Shape, work: impl Fn(u64, &mut [f32]) + Sync) -> Vec<f32> {
    let n = shape.size();
    let mut out = vec![0.0; n];
    let parts = threads::Parts::new(&mut out);
    threads::split(n.div_ceil(4), 1 << 11, &|range| {
        // SAFETY: `split` hands out ranges that do not overlap.
        let out = unsafe { parts.slice(range.start * 4..(range.end * 4).min(n)) };
        vectorize(
            #[inline(always)]
            || {
                for (block, out) in range.zip(out.chunks_mut(4)) {
                    work(block as u64, out);
                }
            },
        );
    });
    out
}

/// A [`VarianceScaling`] under a name of its own.
macro_rules! scaled {
    ($($(#[$doc:meta])* $class:ident $scale:literal $mode:literal $distribution:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $class;

        impl $class {
            pub(super) fn from_config(
                config: &serde_json::Map<String, serde_json::Value>,
            ) -> crate::error::Result<$class> {
                crate::initializers::refuse(config, &["input_axes", "output_axes"])?;
                Ok($class)
            }
        }

        impl crate::initializers::Initializer for $class {
            fn class_name(&self) -> &'static str {
                stringify!($class)
            }

            fn config(&self) -> serde_json::Map<String, serde_json::Value> {
                let null = |name: &str| (name.to_string(), serde_json::Value::Null);
                ["seed", "input_axes", "output_axes"].into_iter().map(null).collect()
            }

            fn values(
                &self,
                shape: &crate::shape::Shape,
                numbers: &crate::device::cpu::philox::Philox,
            ) -> crate::error::Result<Vec<f32>> {
                let (scale, mode, distribution) = ($scale, $mode, $distribution);
                crate::initializers::VarianceScaling { scale, mode, distribution }.values(shape, numbers)
            }

            fn boxed(&self) -> Box<dyn crate::initializers::Initializer> {
                Box::new(*self)
            }
        }
    )+};
}
use scaled;
