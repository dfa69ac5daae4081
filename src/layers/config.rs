//! Keras's configs: reading them, with errors that name the argument.

use crate::config::{self, wrong};
pub use crate::config::{Config, object};
use crate::constraints::{self, Constraint};
use crate::error::Result;
use crate::initializers::{self, Initializer};
use crate::registry::registered_name;
use crate::regularizers::{self, Regularizer};
use serde_json::Value;

/// Reads arguments; one that is absent or null has its default.
pub trait Read {
    /// The value, unless it is absent or null.
    fn find(&self, name: &str) -> Option<&Value>;
    /// A whole number that must be there.
    fn size(&self, name: &str) -> Result<usize>;
    /// A number.
    fn number(&self, name: &str, default: f64) -> Result<f64>;
    /// A truth value.
    fn flag(&self, name: &str, default: bool) -> Result<bool>;
    /// A word; a serialized object stands for its class or, where it is a function, its name.
    fn word(&self, name: &str, default: &str) -> Result<String>;
    /// A list of whole numbers, or one of them.
    fn integers(&self, name: &str) -> Result<Option<Vec<i64>>>;
    /// An initializer.
    fn initializer(&self, name: &str, default: &str) -> Result<Box<dyn Initializer>>;
    /// A regularizer, if there is one.
    fn regularizer(&self, name: &str) -> Result<Option<Box<dyn Regularizer>>>;
    /// A constraint, if there is one.
    fn constraint(&self, name: &str) -> Result<Option<Box<dyn Constraint>>>;
    /// Checks that arguments which this engine lacks have the values that mean nothing.
    fn refuse(&self, names: &[&str]) -> Result<()>;
}

/// The class and the arguments of a serialized object, or of one that is a name alone.
fn class_and_config<'a>(
    config: &'a Config,
    name: &str,
    expected: &str,
    none: &'a Config,
) -> Result<Option<(&'a str, &'a Config)>> {
    let Some(value) = config.find(name) else { return Ok(None) };
    if let Value::String(class) = value {
        return Ok(Some((class, none)));
    }
    let class = registered_name(value).or_else(|| value.get("class_name").and_then(Value::as_str));
    let config = value.get("config").and_then(Value::as_object);
    class.zip(config).map(Some).ok_or_else(|| wrong(name, expected, value))
}

impl Read for Config {
    fn find(&self, name: &str) -> Option<&Value> {
        config::find(self, name)
    }

    fn size(&self, name: &str) -> Result<usize> {
        config::size(self, name)
    }

    fn number(&self, name: &str, default: f64) -> Result<f64> {
        self.find(name).map_or(Ok(default), |v| v.as_f64().ok_or_else(|| wrong(name, "a number", v)))
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        config::flag(self, name, default)
    }

    fn word(&self, name: &str, default: &str) -> Result<String> {
        config::word(self, name, default)
    }

    fn integers(&self, name: &str) -> Result<Option<Vec<i64>>> {
        config::integers(self, name)
    }

    fn initializer(&self, name: &str, default: &str) -> Result<Box<dyn Initializer>> {
        let none = Config::new();
        let (class, config) = class_and_config(self, name, "an initializer", &none)?.unwrap_or((default, &none));
        initializers::from_config(class, config)
    }

    fn regularizer(&self, name: &str) -> Result<Option<Box<dyn Regularizer>>> {
        let none = Config::new();
        let found = class_and_config(self, name, "a regularizer", &none)?;
        found.map(|(class, config)| regularizers::from_config(class, config)).transpose()
    }

    fn constraint(&self, name: &str) -> Result<Option<Box<dyn Constraint>>> {
        let none = Config::new();
        let found = class_and_config(self, name, "a constraint", &none)?;
        found.map(|(class, config)| constraints::from_config(class, config)).transpose()
    }

    fn refuse(&self, names: &[&str]) -> Result<()> {
        config::refuse(self, names)
    }
}
