//! What is added to the loss for the size of weights or activations, one file each, under Keras's names.
//!
//! A new regularizer is a file here and one word in the list below.

use crate::error::{Error, Result};
use crate::registry::registry;
use crate::tensor::Tensor;
use serde_json::{Map, Value};
use std::fmt;

/// A penalty on a tensor, which is added to the loss.
pub trait Regularizer: fmt::Debug + Send + Sync + 'static {
    /// Keras's class.
    fn class_name(&self) -> &'static str;
    /// Keras's arguments.
    fn config(&self) -> Map<String, Value>;
    /// Checks the arguments.
    ///
    /// # Errors
    /// A factor that is negative or not finite.
    fn check(&self) -> Result<()>;
    /// The penalty on `x`: one number, of the dtype of `x`.
    ///
    /// # Errors
    /// A shape that it cannot take.
    fn penalty(&self, x: &Tensor) -> Result<Tensor>;
    /// A copy in a box.
    fn boxed(&self) -> Box<dyn Regularizer>;
}

impl Clone for Box<dyn Regularizer> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}

impl<R: Regularizer> From<R> for Box<dyn Regularizer> {
    fn from(regularizer: R) -> Self {
        Box::new(regularizer)
    }
}

impl dyn Regularizer {
    /// Keras's serialized form.
    pub fn serialized(&self) -> Value {
        REGISTRY.serialized(self.class_name(), self.config())
    }
}

/// Lists the regularizers: `module: Class "name" …;`, the names that Keras takes beside the class.
macro_rules! regularizers {
    ($($module:ident: $class:ident $($name:literal)+;)*) => {
        $(
            mod $module;
            pub use $module::$class;
        )*

        /// The modules that hold a regularizer, for the test that compares them with the folder.
        pub const MODULES: &[&str] = &[$(stringify!($module)),*];

        /// The classes that a model file can name.
        pub const CLASSES: &[&str] = &[$(stringify!($class)),*];

        /// The regularizer that a Keras config describes; `class` may be another of Keras's names for it.
        ///
        /// # Errors
        /// A class or an argument that this engine does not know.
        pub fn from_config(class: &str, config: &Map<String, Value>) -> Result<Box<dyn Regularizer>> {
            let regularizer: Box<dyn Regularizer> = match class {
                $(stringify!($class) $(| $name)+ => Box::new($class::from_config(config)?),)*
                _ => REGISTRY.make(class, config)?,
            };
            regularizer.check()?;
            Ok(regularizer)
        }
    };
}

registry!(regularizers: "regularizer" in "keras.regularizers", Regularizer);

regularizers! {
    l1: L1 "l1";
    l1_l2: L1L2 "l1_l2" "l1l2";
    l2: L2 "l2";
    orthogonal: OrthogonalRegularizer "orthogonal_regularizer";
}

/// A number of a config; absent or null it has its default.
fn number(config: &Map<String, Value>, name: &str, default: f64) -> Result<f64> {
    match config.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_f64().ok_or_else(|| {
            Error::Config(format!("argument `{name}` of a regularizer: expected a number, got {value}"))
        }),
    }
}

/// Checks that a factor is a number that is not negative.
fn factor(name: &str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::Config(format!("argument `{name}` of a regularizer: expected a non-negative number, got {value}")))
}

/// l1 · Σ |x| + l2 · Σ x², of which a term with the factor 0 is left out.
fn norms(x: &Tensor, l1: f64, l2: f64) -> Result<Tensor> {
    let absolute = || x.abs()?.sum(&[], false)?.mul_scalar(l1);
    let squares = || x.square()?.sum(&[], false)?.mul_scalar(l2);
    match (l1 != 0.0, l2 != 0.0) {
        (true, true) => absolute()?.add(&squares()?),
        (true, false) => absolute(),
        _ => squares(),
    }
}
