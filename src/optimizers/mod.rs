//! The optimizers, one file each: the rule for one parameter, its CUDA kernel, its Keras config.
//!
//! A new optimizer is a file here, its kernel in `kernels/optimizers.cu`, and one word in the list below. A step is one
//! pass over all parameters: one launch on a CUDA card, pieces of all parameters over the threads on the CPU. A
//! parameter whose rule looks at more than single elements is updated as a whole, by ops.

mod accumulate;
mod average;
mod clip;
mod moments;
mod pass;
mod settings;
mod state;
mod update;

pub use settings::Settings;
use settings::settings_of;
pub use state::State;

use crate::device::Device;
use crate::device::cuda::Kernel;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::layers::Config;
use crate::registry::registry;
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::Value;
use smallvec::SmallVec;
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

/// What an optimizer keeps of one parameter under one of its slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    /// A tensor of this shape.
    Kept(Shape),
    /// Nothing.
    Absent,
    /// Nothing, for which Keras's files have a 0.
    Placeholder,
}

/// A rule that changes parameters by their gradients.
pub trait Optimizer: fmt::Debug + Send + Sync + 'static {
    /// Keras's class: `RMSprop`.
    fn class_name(&self) -> &'static str;
    /// What every optimizer has.
    fn settings(&self) -> &Settings;
    /// The same for setting.
    fn settings_mut(&mut self) -> &mut Settings;
    /// Keras's names of the numbers that the rule keeps for each parameter.
    fn slots(&self) -> &'static [&'static str];
    /// What a slot begins with: 0 unless told otherwise.
    fn initial(&self, _slot: usize) -> f64 {
        0.0
    }
    /// What a slot is of the parameter of this path and shape: a tensor like it unless told otherwise.
    fn slot(&self, _slot: usize, _path: &str, shape: &Shape) -> Slot {
        Slot::Kept(*shape)
    }
    /// A number of all parameters that Keras's files have after the slots, after so many updates; here it follows from
    /// their count.
    fn scalar(&self, _iteration: u64) -> Option<f64> {
        None
    }
    /// The rule's numbers for the update after `iteration` updates, at this learning rate.
    fn hyper(&self, iteration: u64, learning_rate: f64) -> Hyper;
    /// Rejects arguments outside their range, with words.
    fn check(&self) -> Result<()>;
    /// Changes a piece of a parameter.
    fn update(&self, hyper: &Hyper, piece: Piece);
    /// The kernel that changes all parameters but those that are whole: `(table, count, chunk, hyper, scales)`; none
    /// where all are, or where the rule is for the CPU alone.
    fn kernel(&self) -> Option<&'static Kernel>;
    /// Whether the parameter of this path and shape is changed by [`Optimizer::update_whole`] and not in pieces.
    fn is_whole(&self, _path: &str, _shape: &Shape) -> bool {
        false
    }
    /// The weight after an update, by ops that read the numbers of [`Optimizer::hyper`] on the device and wait for
    /// nothing, from the weight after its decay and the gradient after clipping; the slots it assigns.
    ///
    /// # Errors
    /// A device that fails.
    fn update_whole(
        &self,
        _hyper: &Tensor,
        _weight: &Tensor,
        _gradient: &Tensor,
        _slots: &mut [Tensor],
    ) -> Result<Tensor> {
        Err(Error::Internal(format!("{} has no rule for a whole parameter", self.class_name())))
    }
    /// The weight at the end of an update where the rule looks at more than single elements, from the numbers of
    /// [`Optimizer::hyper`] on the device and from what [`Optimizer::update`] left; `None` where that is all.
    ///
    /// # Errors
    /// A device that fails.
    fn finish(&self, _hyper: &Tensor, _weight: &Tensor, _slots: &[Tensor]) -> Result<Option<Tensor>> {
        Ok(None)
    }
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

        /// The classes that a model file can name.
        pub const CLASSES: &[&str] = &[$(stringify!($class)),*];

        /// The optimizer that a Keras config describes; `class` may be the snake-case name.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Config) -> Result<Box<dyn Optimizer>> {
            let mut optimizer: Box<dyn Optimizer> = match class {
                $(stringify!($class) $(| $name)+ => Box::new($class::from_config(config)?),)*
                _ => REGISTRY.make(class, config)?,
            };
            optimizer.settings_mut().read(config)?;
            optimizer.settings().check()?;
            optimizer.check()?;
            Ok(optimizer)
        }
    };
}

registry!(optimizers: "optimizer" in "keras.optimizers", Optimizer);

optimizers! {
    adadelta: Adadelta "adadelta";
    adafactor: Adafactor "adafactor";
    adagrad: Adagrad "adagrad";
    adam: Adam "adam";
    adamax: Adamax "adamax";
    adamw: AdamW "adamw";
    ftrl: Ftrl "ftrl";
    lamb: Lamb "lamb";
    lion: Lion "lion";
    muon: Muon "muon";
    nadam: Nadam "nadam";
    rmsprop: RMSprop "rmsprop";
    sgd: SGD "sgd";
}

impl dyn Optimizer {
    /// Keras's names of all numbers kept for each parameter: the rule's, then the moving average and the accumulated
    /// gradient where there are any.
    pub fn all_slots(&self) -> SmallVec<[&'static str; 5]> {
        let settings = self.settings();
        let average = settings.use_ema.then_some("average");
        let accumulator = settings.accumulates().then_some("gradient_accumulator");
        self.slots().iter().copied().chain(average).chain(accumulator).collect()
    }

    /// What is under the slot of that place in `all_slots`.
    pub fn any_slot(&self, slot: usize, path: &str, shape: &Shape) -> Slot {
        if slot < self.slots().len() { self.slot(slot, path, shape) } else { Slot::Kept(*shape) }
    }

    /// All slots of the parameter of this path and shape before the first step; an empty tensor where there is nothing.
    ///
    /// # Errors
    /// A device that fails.
    pub fn first_slots(&self, device: &Device, path: &str, shape: &Shape) -> Result<Vec<Tensor>> {
        let rule = self.slots().len();
        let initial = |slot| if slot < rule { self.initial(slot) } else { 0.0 };
        let full = |slot| match self.any_slot(slot, path, shape) {
            Slot::Kept(shape) => Tensor::full(device, shape, DType::F32, initial(slot)),
            Slot::Absent | Slot::Placeholder => Tensor::full(device, [0], DType::F32, 0.0),
        };
        (0..self.all_slots().len()).map(full).collect()
    }

    /// All arguments, under Keras's names.
    pub fn full_config(&self) -> Config {
        let mut config = self.settings().config(self.class_name());
        config.extend(self.config());
        config
    }

    /// Keras's serialized form.
    pub fn serialized(&self) -> Value {
        REGISTRY.serialized(self.class_name(), self.full_config())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::ExponentialDecay;

    #[test]
    fn arguments_outside_their_range_are_errors_that_name_them() {
        let bad: [(Box<dyn Optimizer>, &str); 29] = [
            (SGD::new(-1.0).into(), "learning_rate"),
            (SGD::new(f64::NAN).into(), "learning_rate"),
            (SGD::new(0.1).momentum(1.5).into(), "momentum"),
            (RMSprop::new(0.1).rho(1.5).into(), "rho"),
            (Adam::new(0.1).beta_1(1.0).into(), "beta_1"),
            (AdamW::new(0.1).beta_2(-0.1).into(), "beta_2"),
            (AdamW::new(0.1).weight_decay(-0.1).into(), "weight_decay"),
            (Adagrad::new(0.1).initial_accumulator_value(-1.0).into(), "initial_accumulator_value"),
            (Adadelta::new(0.1).rho(1.0).into(), "rho"),
            (Adamax::new(0.1).epsilon(-1.0).into(), "epsilon"),
            (Nadam::new(0.1).beta_2(1.0).into(), "beta_2"),
            (Lion::new(0.1).beta_1(0.0).into(), "beta_1"),
            (Ftrl::new(0.0).into(), "learning_rate"),
            (Ftrl::new(0.1).learning_rate_power(0.5).into(), "learning_rate_power"),
            (Adam::new(0.1).clipvalue(0.0).into(), "clipvalue"),
            (Adam::new(0.1).use_ema(true).ema_momentum(1.5).into(), "ema_momentum"),
            (Adam::new(0.1).ema_overwrite_frequency(0).into(), "ema_overwrite_frequency"),
            (Adam::new(0.1).gradient_accumulation_steps(1).into(), "gradient_accumulation_steps"),
            (Adam::new(0.1).loss_scale_factor(0.0).into(), "loss_scale_factor"),
            (Adafactor::new(0.1).beta_2_decay(0.5).into(), "beta_2_decay"),
            (Adafactor::new(0.1).clip_threshold(0.0).into(), "clip_threshold"),
            (Muon::new(0.1).adam_beta_2(1.0).into(), "adam_beta_2"),
            (Muon::new(0.1).momentum(1.0).into(), "momentum"),
            (Muon::new(0.1).adam_lr_ratio(-1.0).into(), "adam_lr_ratio"),
            (Muon::new(0.1).exclude_layers(["out.*"]).into(), "exclude_layers"),
            (AdamW::new(0.1).exclude_from_weight_decay(["gamma|beta"]).into(), "exclude_from_weight_decay"),
            (AdamW::new(0.1).exclude_from_weight_decay([""]).into(), "exclude_from_weight_decay"),
            (SGD::new(ExponentialDecay::new(0.1, 0, 0.5)).into(), "decay_steps"),
            (Adam::new(0.1).clipnorm(1.0).global_clipnorm(1.0).into(), "global_clipnorm"),
        ];
        for (optimizer, name) in bad {
            let error = State::new(&*optimizer, &[]).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(name), "{optimizer:?}: {error}");
            // A config holds neither NaN nor these words.
            let written = !optimizer.settings().learning_rate.at(0).is_nan() && name != "exclude_from_weight_decay";
            let read = from_config(optimizer.class_name(), &optimizer.full_config());
            assert!(!written || read.is_err(), "{optimizer:?}");
        }
    }

    #[test]
    fn momentum_may_be_1_and_names_stay() -> Result<()> {
        for optimizer in [SGD::new(0.1).momentum(1.0).into(), RMSprop::new(0.1).momentum(1.0).into()] {
            let optimizer: Box<dyn Optimizer> = optimizer;
            let mut config = optimizer.full_config();
            config.insert("name".into(), "mine".into());
            assert_eq!(from_config(optimizer.class_name(), &config)?.full_config(), config);
        }
        Ok(())
    }

    /// Every rule's vector part and its tail, over several threads, is the rule of one weight alone.
    #[test]
    fn a_piece_is_its_elements() {
        let all: [Box<dyn Optimizer>; 13] = [
            SGD::new(0.1).clipvalue(0.3).into(),
            SGD::new(0.1).momentum(0.9).nesterov(true).into(),
            RMSprop::new(0.1).into(),
            RMSprop::new(0.1).centered(true).into(),
            RMSprop::new(0.1).centered(true).momentum(0.5).weight_decay(0.1).into(),
            Adam::new(0.1).amsgrad(true).into(),
            AdamW::new(0.1).into(),
            Adagrad::new(0.1).into(),
            Adadelta::new(0.1).into(),
            Adamax::new(0.1).into(),
            Nadam::new(0.1).into(),
            Lion::new(0.1).into(),
            Ftrl::new(0.1).l1_regularization_strength(0.1).into(),
        ];
        let n = 1031;
        for optimizer in all {
            let hyper = optimizer.hyper(3, 0.1);
            let value = |i: usize, of: usize| ((i * 37 + of * 101) % 211) as f32 / 211.0;
            let gradient: Vec<f32> = (0..n).map(|i| value(i, 0) - 0.5).collect();
            let run = |chunk: usize| {
                let mut weight: Vec<f32> = (0..n).map(|i| value(i, 1)).collect();
                // The mean square stays above the square of the mean.
                let mut slots: Vec<Vec<f32>> =
                    (0..optimizer.slots().len()).map(|s| (0..n).map(|i| 0.1 + 0.1 * value(i, s)).collect()).collect();
                for start in (0..n).step_by(chunk) {
                    let part = start..(start + chunk).min(n);
                    let mut pieces: Vec<&mut [f32]> = slots.iter_mut().map(|s| &mut s[part.clone()]).collect();
                    let (weight, gradient) = (&mut weight[part.clone()], &gradient[part]);
                    optimizer.update(&hyper, Piece { weight, gradient, scale: 0.5, slots: &mut pieces });
                }
                (weight, slots)
            };
            let (whole, single) = (run(n), run(1));
            assert!(whole == single && whole.0.iter().all(|w| w.is_finite()), "{optimizer:?}");
        }
    }
}
