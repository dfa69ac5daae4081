//! Learning rates that follow a plan, one file each: given where an optimizer takes its learning rate, computed on the
//! host before each step, saved in Keras's compile config.
//!
//! A new schedule is a file here and one word in the list below.

use crate::error::{Error, Result};
use crate::layers::Config;
use crate::registry::{registered_name, registry};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// A learning rate that depends on the step.
pub trait Schedule: fmt::Debug + Send + Sync + 'static {
    /// Keras's class: `ExponentialDecay`.
    fn class_name(&self) -> &'static str;
    /// The learning rate of the step that comes after `step` others.
    fn at(&self, step: u64) -> f64;
    /// Rejects arguments outside their range, with words; what is left makes rates that are finite and at least 0.
    fn check(&self) -> Result<()>;
    /// Its arguments, under Keras's names.
    fn config(&self) -> Config;
}

/// What an optimizer takes as its learning rate: a number, or a schedule.
#[derive(Clone, Debug)]
pub enum LearningRate {
    /// The same at each step, until somebody sets another.
    Constant(f64),
    /// What a schedule says.
    Schedule(Arc<dyn Schedule>),
}

impl LearningRate {
    /// The learning rate of the step that comes after `step` others.
    pub fn at(&self, step: u64) -> f64 {
        match self {
            LearningRate::Constant(rate) => *rate,
            LearningRate::Schedule(schedule) => schedule.at(step),
        }
    }

    /// The number, unless it is a schedule.
    pub fn constant(&self) -> Option<f64> {
        match self {
            LearningRate::Constant(rate) => Some(*rate),
            LearningRate::Schedule(_) => None,
        }
    }

    /// Rejects numbers that are no learning rate, and schedules with arguments out of range.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            LearningRate::Constant(rate) => range("learning_rate", *rate, 0.0, f64::INFINITY),
            LearningRate::Schedule(schedule) => {
                let place = |e| Error::Config(format!("argument `learning_rate`, {}: {e}", schedule.class_name()));
                schedule.check().map_err(place)
            }
        }
    }

    /// As it stands in Keras's configs: a number, or a serialized object.
    pub(crate) fn serialized(&self) -> Value {
        match self {
            LearningRate::Constant(rate) => json!(rate),
            LearningRate::Schedule(schedule) => REGISTRY.serialized(schedule.class_name(), schedule.config()),
        }
    }

    /// Reads what [`LearningRate::serialized`] writes.
    ///
    /// # Errors
    /// A schedule that is not Keras's own, or that this engine does not know; arguments out of range.
    pub(crate) fn read(value: &Value) -> Result<LearningRate> {
        let wrong = |what: String| Err(Error::Config(format!("argument `learning_rate`: {what}")));
        if let Some(rate) = value.as_f64() {
            return Ok(LearningRate::Constant(rate));
        }
        let text = |key| value.get(key).and_then(Value::as_str);
        let (Some(class), Some(config)) = (text("class_name"), value.get("config").and_then(Value::as_object)) else {
            return wrong("expected a number, or a schedule with a class_name and a config".into());
        };
        if let Some(name) = registered_name(value) {
            return from_config(name, config);
        }
        let module = text("module").unwrap_or("keras");
        if !(module == "keras" || module.starts_with("keras.")) {
            return wrong("the schedule is custom Python code, which a model file cannot bring along".into());
        }
        from_config(class, config)
    }
}

impl PartialEq for LearningRate {
    fn eq(&self, other: &Self) -> bool {
        self.serialized() == other.serialized()
    }
}

impl From<f64> for LearningRate {
    fn from(rate: f64) -> Self {
        LearningRate::Constant(rate)
    }
}

/// Lists the schedules: `module: Class;`.
macro_rules! schedules {
    ($($module:ident: $class:ident;)*) => {
        $(
            mod $module;
            pub use $module::$class;
            impl From<$class> for LearningRate {
                fn from(schedule: $class) -> Self {
                    LearningRate::Schedule(Arc::new(schedule))
                }
            }
        )*

        /// Every schedule, for the prelude.
        pub mod all {
            $(pub use super::$module::$class;)*
        }

        /// The modules that hold a schedule, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The classes that a model file can name.
        pub const CLASSES: &[&str] = &[$(stringify!($class)),*];

        /// The schedule that a Keras config describes.
        ///
        /// # Errors
        /// A class that this engine does not know; arguments that are missing or out of range.
        pub fn from_config(class: &str, config: &Config) -> Result<LearningRate> {
            let rate: LearningRate = match class {
                $(stringify!($class) => $class::from_config(config)?.into(),)*
                _ => REGISTRY.make(class, config)?,
            };
            rate.check()?;
            Ok(rate)
        }
    };
}

registry!(
    schedules: "schedule" in "keras.optimizers.schedules", Schedule => LearningRate,
    |new| LearningRate::Schedule(Arc::new(new));
);

schedules! {
    cosine_decay: CosineDecay;
    cosine_decay_restarts: CosineDecayRestarts;
    exponential_decay: ExponentialDecay;
    inverse_time_decay: InverseTimeDecay;
    piecewise_constant_decay: PiecewiseConstantDecay;
    polynomial_decay: PolynomialDecay;
}

/// Checks that an argument lies in `least..most`.
pub(crate) fn range(name: &str, value: f64, least: f64, most: f64) -> Result<()> {
    if (least..most).contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("argument `{name}`: expected at least {least} and less than {most}, got {value}")))
}

/// Checks that an argument lies in `0..=1`.
pub(crate) fn share(name: &str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::Config(format!("argument `{name}`: expected at least 0 and at most 1, got {value}")))
}

/// Checks that an argument is finite and more than 0.
pub(crate) fn positive(name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Config(format!("argument `{name}`: expected more than 0, got {value}")))
}

/// A number that must be there.
fn required(config: &Config, name: &str) -> Result<f64> {
    use crate::layers::Read;
    match config.find(name) {
        Some(_) => config.number(name, 0.0),
        None => Err(Error::Config(format!("argument `{name}` is missing"))),
    }
}

/// A count of steps, which Keras's files may hold as a fraction: whole where it is whole.
fn steps(count: f64) -> Value {
    if count.fract() == 0.0 && (0.0..9e15).contains(&count) { json!(count as u64) } else { json!(count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::object;

    #[test]
    fn arguments_outside_their_range_are_errors_that_name_them() {
        let bad: [(LearningRate, &str); 12] = [
            (ExponentialDecay::new(-0.1, 10, 0.5).into(), "initial_learning_rate"),
            (ExponentialDecay::new(0.1, 0, 0.5).into(), "decay_steps"),
            (ExponentialDecay::new(0.1, 10, -0.5).into(), "decay_rate"),
            (InverseTimeDecay::new(0.1, 10, f64::NAN).into(), "decay_rate"),
            (PiecewiseConstantDecay::new([3], [0.1]).into(), "boundaries"),
            (PiecewiseConstantDecay::new([3, 3], [0.1, 0.2, 0.3]).into(), "boundaries"),
            (PiecewiseConstantDecay::new([3], [0.1, -0.1]).into(), "values"),
            (PolynomialDecay::new(0.1, 10).power(-1.0).into(), "power"),
            (CosineDecay::new(0.1, 10).alpha(-1.0).into(), "alpha"),
            (CosineDecay::new(0.1, 10).warmup(f64::INFINITY, 5).into(), "warmup_target"),
            (CosineDecayRestarts::new(0.1, 10).t_mul(0.5).into(), "t_mul"),
            (CosineDecayRestarts::new(0.1, 10).m_mul(-1.0).into(), "m_mul"),
        ];
        for (rate, name) in bad {
            let error = rate.check().err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(&format!("`{name}`")), "{rate:?}: {error}");
        }
    }

    /// What Keras computes there.
    #[test]
    fn ends_of_the_ranges() {
        let rates = |rate: LearningRate| [rate.at(0), rate.at(5), rate.at(10)];
        for constant in [
            CosineDecay::new(0.1, 10).alpha(1.0).into(),
            CosineDecayRestarts::new(0.1, 10).alpha(1.0).into(),
            PolynomialDecay::new(0.1, 10).power(0.0).into(),
        ] {
            let (name, rates) = (format!("{constant:?}"), rates(constant));
            assert!(rates.iter().all(|rate| (rate - 0.1).abs() < 1e-15), "{name}: {rates:?}");
        }
        assert_eq!(rates(ExponentialDecay::new(0.1, 10, 0.0).into()), [0.1, 0.0, 0.0]);
    }

    /// A warm-up of no steps is none, and a restart falls on its step whatever its logarithm rounds to.
    #[test]
    fn edges_of_the_cosines() {
        assert_eq!(CosineDecay::new(0.0, 10).warmup(0.5, 0).at(0), 0.5);
        let schedule = CosineDecayRestarts::new(0.5, 7).t_mul(3.0);
        let mut begin = 0;
        for period in (0..20).map(|i| 7 * 3u64.pow(i)) {
            assert_eq!(schedule.at(begin), 0.5, "step {begin}");
            assert!(schedule.at(begin + period - 1) < 0.03, "step {begin}");
            begin += period;
        }
    }

    #[test]
    fn only_keras_own_schedules_are_read() {
        let config = object(json!({"initial_learning_rate": 0.1, "decay_steps": 2.5, "decay_rate": 0.5}));
        let read = |class: &str, module: &str| {
            LearningRate::read(&json!({"module": module, "class_name": class, "config": config}))
        };
        let schedule = "keras.optimizers.schedules";
        assert!((read("ExponentialDecay", schedule).unwrap().at(5) - 0.025).abs() < 1e-15);
        let error = |class, module| read(class, module).unwrap_err().to_string();
        assert!(error("ExponentialDecay", "my.own").contains("custom"));
        assert!(error("Zigzag", schedule).contains("Zigzag"));
        assert!(error("CosineDecayRestarts", schedule).contains("`first_decay_steps` is missing"));
    }
}
