//! Keras's configs: reading plain arguments, with errors that name the argument.
//!
//! What a config holds beyond them, initializers and their like, `layers` reads.

use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The arguments of a layer, loss, optimizer, … as JSON, under Keras's names.
pub type Config = Map<String, Value>;

/// That an argument is not what it should be.
pub(crate) fn wrong(name: &str, expected: &str, got: &Value) -> Error {
    let mut got = got.to_string();
    if got.len() > 80 {
        got.truncate((0..=80).rev().find(|&i| got.is_char_boundary(i)).unwrap_or(0));
        got.push('…');
    }
    Error::Config(format!("argument `{name}`: expected {expected}, got {got}"))
}

/// The value, unless it is absent or null.
pub(crate) fn find<'a>(config: &'a Config, name: &str) -> Option<&'a Value> {
    config.get(name).filter(|v| !v.is_null())
}

/// A whole number, unless it is absent or null.
pub(crate) fn find_size(config: &Config, name: &str) -> Result<Option<usize>> {
    let Some(value) = find(config, name) else { return Ok(None) };
    let whole = value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && *x >= 0.0).map(|x| x as u64));
    whole.and_then(|n| usize::try_from(n).ok()).map(Some).ok_or_else(|| wrong(name, "a whole number", value))
}

/// A whole number that must be there.
pub(crate) fn size(config: &Config, name: &str) -> Result<usize> {
    find_size(config, name)?.ok_or_else(|| Error::Config(format!("argument `{name}` is missing")))
}

/// A truth value.
pub(crate) fn flag(config: &Config, name: &str, default: bool) -> Result<bool> {
    find(config, name).map_or(Ok(default), |v| v.as_bool().ok_or_else(|| wrong(name, "true or false", v)))
}

/// A word; a serialized object stands for its class or, where it is a function, its name.
pub(crate) fn word(config: &Config, name: &str, default: &str) -> Result<String> {
    let Some(value) = find(config, name) else { return Ok(default.to_string()) };
    let object = |key| value.get(key).and_then(Value::as_str);
    let function = || (object("class_name") == Some("function")).then(|| object("config")).flatten();
    let word = value.as_str().or_else(function).or_else(|| object("class_name"));
    word.map(String::from).ok_or_else(|| wrong(name, "a word", value))
}

/// A list of whole numbers, or one of them.
pub(crate) fn integers(config: &Config, name: &str) -> Result<Option<Vec<i64>>> {
    let Some(value) = find(config, name) else { return Ok(None) };
    let list = match value {
        Value::Array(items) => items.iter().map(Value::as_i64).collect(),
        one => one.as_i64().map(|n| vec![n]),
    };
    list.map(Some).ok_or_else(|| wrong(name, "whole numbers", value))
}

/// The elements of a list, or of what Keras writes for a tuple.
pub(crate) fn list(value: &Value) -> Option<&Vec<Value>> {
    let tuple = value.get("class_name").and_then(Value::as_str) == Some("__tuple__");
    if tuple { value.get("items")? } else { value }.as_array()
}

/// Checks that arguments which this engine lacks have the values that mean nothing.
pub(crate) fn refuse(config: &Config, names: &[&str]) -> Result<()> {
    match names.iter().find_map(|&n| find(config, n).filter(|v| **v != Value::Bool(false)).map(|v| (n, v))) {
        Some((name, value)) => Err(wrong(name, "null, since this engine does not have it", value)),
        None => Ok(()),
    }
}

/// The object that a `json!({…})` literal makes.
pub fn object(value: Value) -> Config {
    match value {
        Value::Object(map) => map,
        _ => Config::new(),
    }
}
