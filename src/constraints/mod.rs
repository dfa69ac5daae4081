//! What weights are held to after each step of the optimizer, one file each, under Keras's names.
//!
//! A new constraint is a file here and one word in the list below.

use crate::axes::Axes;
use crate::error::{Error, Result};
use crate::registry::registry;
use crate::shape::Shape;
use crate::tensor::Tensor;
use serde_json::{Map, Value};
use std::fmt;

/// A set of weights, and the way there from any others.
pub trait Constraint: fmt::Debug + Send + Sync + 'static {
    /// Keras's class.
    fn class_name(&self) -> &'static str;
    /// Keras's arguments.
    fn config(&self) -> Map<String, Value>;
    /// Checks the arguments, for a weight of this shape.
    ///
    /// # Errors
    /// Bounds without a meaning, axes that the weight does not have.
    fn check(&self, shape: &Shape) -> Result<()>;
    /// The weight within the constraint.
    ///
    /// # Errors
    /// Axes that the weight does not have.
    fn apply(&self, weight: &Tensor) -> Result<Tensor>;
    /// A copy in a box.
    fn boxed(&self) -> Box<dyn Constraint>;
}

impl Clone for Box<dyn Constraint> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

impl<C: Constraint> From<C> for Box<dyn Constraint> {
    fn from(constraint: C) -> Self {
        Box::new(constraint)
    }
}

impl dyn Constraint {
    /// Keras's serialized form.
    pub fn serialized(&self) -> Value {
        REGISTRY.serialized(self.class_name(), self.config())
    }
}

/// Lists the constraints: `module: Class "name";`, the name that Keras takes beside the class.
macro_rules! constraints {
    ($($module:ident: $class:ident $name:literal;)*) => {
        $(
            mod $module;
            pub use $module::$class;
        )*

        /// The modules that hold a constraint, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The classes that a model file can name.
        pub const CLASSES: &[&str] = &[$(stringify!($class)),*];

        /// The constraint that a Keras config describes; `class` may be another of Keras's names for it.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Map<String, Value>) -> Result<Box<dyn Constraint>> {
            match class {
                $(stringify!($class) | $name => Ok(Box::new($class::from_config(config)?)),)*
                _ => REGISTRY.make(class, config),
            }
        }
    };
}

registry!(constraints: "constraint" in "keras.constraints", Constraint);

constraints! {
    max_norm: MaxNorm "max_norm";
    min_max_norm: MinMaxNorm "min_max_norm";
    non_neg: NonNeg "non_neg";
    unit_norm: UnitNorm "unit_norm";
}

/// A number of a config; absent or null it has its default.
fn number(config: &Map<String, Value>, name: &str, default: f64) -> Result<f64> {
    match config.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value
            .as_f64()
            .ok_or_else(|| Error::Config(format!("argument `{name}` of a constraint: expected a number, got {value}"))),
    }
}

/// Checks that an argument is a finite number of at least `least`: a file could not hold another.
fn bound(name: &str, value: f64, least: f64) -> Result<()> {
    if value >= least && value.is_finite() {
        return Ok(());
    }
    let message = format!("expected a finite number of at least {least}, got {value}");
    Err(Error::Config(format!("argument `{name}` of a constraint: {message}")))
}

/// Checks that a weight of this shape has the axes that norms are over.
fn check_axes(axes: &Axes, shape: &Shape) -> Result<()> {
    axes.list().iter().try_for_each(|&axis| shape.axis(axis, "argument `axis` of a constraint").map(|_| ()))
}

/// What Keras adds to a norm that it divides by.
const EPSILON: f64 = 1e-7;

/// √Σ w² over axes, which stay with the extent 1.
fn norms(weight: &Tensor, axes: &[isize]) -> Result<Tensor> {
    weight.square()?.sum(axes, true)?.sqrt()
}

/// w · desired / (1e-7 + norms).
fn rescaled(weight: &Tensor, desired: &Tensor, norms: &Tensor) -> Result<Tensor> {
    weight.mul(&desired.div(&norms.add_scalar(EPSILON)?)?)
}
