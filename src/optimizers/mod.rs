//! The optimizers, one file each: the rule for one parameter, its CUDA kernel, its Keras config.
//!
//! A new optimizer is a file here, its kernel in `kernels/optimizers.cu`, and one word in the list below. A step is one
//! pass over all parameters: one launch on a CUDA card, pieces of all parameters over the threads on the CPU.

mod clip;
mod settings;
mod update;

pub use clip::clip_scales;
pub use settings::Settings;
pub use update::State;

use crate::device::cuda::Kernel;
use crate::error::{Error, Result};
use crate::layers::Config;
use serde_json::{Value, json};
use std::fmt;

/// The numbers that a step's rule reads, as the kernel gets them, computed in f64 on the host: the learning rate, the
/// share of each weight that decays, the largest element of a gradient, and what [`Optimizer::hyper`] adds.
pub type Hyper = [f32; 8];

/// One parameter's piece, or all of it: what a rule changes.
pub struct Piece<'a> {
    /// The weight.
    pub weight: &'a mut [f32],
    /// Its gradient.
    pub gradient: &'a [f32],
    /// What the gradient is multiplied by first: 1 unless clipping shrinks it.
    pub scale: f32,
    /// The optimizer's own numbers for the weight, in the order of [`Optimizer::slots`].
    pub slots: &'a mut [&'a mut [f32]],
}

/// A rule that changes parameters by their gradients.
pub trait Optimizer: fmt::Debug + Send + Sync + 'static {
    /// Keras's class: `RMSprop`.
    fn class_name(&self) -> &'static str;
    /// What every optimizer has.
    fn settings(&self) -> &Settings;
    /// The same for setting.
    fn settings_mut(&mut self) -> &mut Settings;
    /// Keras's names of the numbers kept for each parameter.
    fn slots(&self) -> &'static [&'static str];
    /// The rule's numbers for the step after `iteration` steps, at this learning rate.
    fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper;
    /// Rejects arguments outside their range, with words.
    fn check(&self) -> Result<()>;
    /// Changes a piece of a parameter.
    fn update(&self, hyper: &Hyper, piece: Piece);
    /// The kernel that changes all parameters: `(table, count, chunk, hyper, scales)`.
    fn kernel(&self) -> &'static Kernel;
    /// Its own arguments, under Keras's names.
    fn config(&self) -> Config;
}

/// Lists the optimizers: `module: Class "name" "alias" …;`, the names that Keras takes beside the class.
macro_rules! optimizers {
    ($($module:ident: $class:ident $($name:literal)+;)*) => {
        $(
            mod $module;
            pub use $module::$class;
            impl From<$class> for Box<dyn Optimizer> {
                fn from(optimizer: $class) -> Self {
                    Box::new(optimizer)
                }
            }
            impl $class {
                settings::setters!();
            }
        )*

        /// Every optimizer, for the prelude.
        pub mod all {
            $(pub use super::$module::$class;)*
        }

        /// The modules that hold an optimizer, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The optimizer that a Keras config describes; `class` may be the snake-case name.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Config) -> Result<Box<dyn Optimizer>> {
            let mut optimizer: Box<dyn Optimizer> = match class {
                $(stringify!($class) $(| $name)+ => Box::new($class::from_config(config)?),)*
                _ => {
                    let known = [$(stringify!($class)),*].join(", ");
                    return Err(Error::Config(format!("unknown optimizer `{class}`; known are {known}")));
                }
            };
            optimizer.settings_mut().read(config)?;
            optimizer.settings().check()?;
            optimizer.check()?;
            Ok(optimizer)
        }
    };
}

optimizers! {
    adam: Adam "adam";
    adamw: AdamW "adamw";
    rmsprop: RMSprop "rmsprop";
    sgd: SGD "sgd";
}

impl dyn Optimizer {
    /// All arguments, under Keras's names.
    pub fn full_config(&self) -> Config {
        let mut config = self.settings().config(&crate::layers::snake_case(self.class_name()));
        config.extend(self.config());
        config
    }

    /// Keras's serialized form.
    pub fn serialized(&self) -> Value {
        json!({
            "module": "keras.optimizers",
            "class_name": self.class_name(),
            "config": self.full_config(),
            "registered_name": null,
        })
    }
}
