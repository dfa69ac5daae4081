//! Keras's configs: reading them, with errors that name the argument.

use crate::constraints::{self, Constraint};
use crate::error::{Error, Result};
use crate::initializers::{self, Initializer};
use crate::registry::registered_name;
use crate::regularizers::{self, Regularizer};
use serde_json::{Map, Value};

/// The arguments of a layer, loss, optimizer, … as JSON, under Keras's names.
pub type Config = Map<String, Value>;

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

fn wrong(name: &str, expected: &str, got: &Value) -> Error {
    let mut got = got.to_string();
    if got.len() > 80 {
        got.truncate((0..=80).rev().find(|&i| got.is_char_boundary(i)).unwrap_or(0));
        got.push('…');
    }
    Error::Config(format!("argument `{name}`: expected {expected}, got {got}"))
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
        self.get(name).filter(|v| !v.is_null())
    }

    fn size(&self, name: &str) -> Result<usize> {
        let value = self.find(name).ok_or_else(|| Error::Config(format!("argument `{name}` is missing")))?;
        let whole =
            value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && *x >= 0.0).map(|x| x as u64));
        whole.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| wrong(name, "a whole number", value))
    }

    fn number(&self, name: &str, default: f64) -> Result<f64> {
        self.find(name).map_or(Ok(default), |v| v.as_f64().ok_or_else(|| wrong(name, "a number", v)))
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool> {
        self.find(name).map_or(Ok(default), |v| v.as_bool().ok_or_else(|| wrong(name, "true or false", v)))
    }

    fn word(&self, name: &str, default: &str) -> Result<String> {
        let Some(value) = self.find(name) else { return Ok(default.to_string()) };
        let object = |key| value.get(key).and_then(Value::as_str);
        let function = || (object("class_name") == Some("function")).then(|| object("config")).flatten();
        let word = value.as_str().or_else(function).or_else(|| object("class_name"));
        word.map(String::from).ok_or_else(|| wrong(name, "a word", value))
    }

    fn integers(&self, name: &str) -> Result<Option<Vec<i64>>> {
        let Some(value) = self.find(name) else { return Ok(None) };
        let list = match value {
            Value::Array(items) => items.iter().map(Value::as_i64).collect(),
            one => one.as_i64().map(|n| vec![n]),
        };
        list.map(Some).ok_or_else(|| wrong(name, "whole numbers", value))
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
        match names.iter().find_map(|&n| self.find(n).filter(|v| **v != Value::Bool(false)).map(|v| (n, v))) {
            Some((name, value)) => Err(wrong(name, "null, since this engine does not have it", value)),
            None => Ok(()),
        }
    }
}

/// The object that a `json!({…})` literal makes.
pub fn object(value: Value) -> Config {
    match value {
        Value::Object(map) => map,
        _ => Config::new(),
    }
}
