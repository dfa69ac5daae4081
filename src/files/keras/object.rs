//! Keras's serialized objects: `{"module": …, "class_name": …, "config": {…}, "registered_name": …}`.

use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::registry::registered_name;
use serde_json::{Value, json};

/// An object that a file names: of Keras's own class, or of one that is registered.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    /// The class, or the name under which it is registered.
    pub class: &'a str,
    pub config: &'a Config,
}

impl<'a> Object<'a> {
    /// The object that `value` stands for; `what` is what it should be.
    ///
    /// # Errors
    /// Another form; an object that is neither Keras's own nor registered, or holds code, of which none is ever run.
    pub fn read(value: &'a Value, what: &str) -> Result<Object<'a>> {
        let text = |key| value.get(key).and_then(Value::as_str);
        let Some(class) = text("class_name") else {
            return Err(Error::Config(format!("expected {what} with a class_name, got {}", short(value))));
        };
        refuse_code(value)?;
        match value.get("config") {
            Some(Value::Object(config)) => Ok(Object { class: registered_name(value).unwrap_or(class), config }),
            _ => Err(Error::Config(format!("{what} `{}` has no config", clip(class)))),
        }
    }
}

/// Refuses what a file can name that is neither Keras's own nor registered.
fn refuse_code(value: &Value) -> Result<()> {
    let text = |key| value.get(key).and_then(Value::as_str);
    let class = clip(text("class_name").unwrap_or(""));
    let module = text("module").unwrap_or("keras");
    let own = module == "keras" || module.starts_with("keras.") || module == "builtins";
    if own || registered_name(value).is_some() {
        return Ok(());
    }
    let module = clip(module);
    let message = format!("`{class}` ({module}) is custom Python code, which a model file cannot bring along");
    Err(Error::Config(format!("{message}: register it as `Package>{class}` in Keras and here")))
}

/// The class that a serialized object names.
pub(crate) fn class_of(value: &Value) -> Option<&str> {
    value.get("class_name").and_then(Value::as_str)
}

/// A name alone, an object, or a function of Keras's, as compile configs have them: the name and the arguments.
pub(crate) fn named<'a>(value: &'a Value, what: &str) -> Result<(&'a str, Option<&'a Config>)> {
    if let Some(name) = value.as_str() {
        return Ok((name, None));
    }
    if value.get("class_name").and_then(Value::as_str) == Some("function") {
        refuse_code(value)?;
        let name = value.get("config").and_then(Value::as_str);
        return name.map(|n| (n, None)).ok_or_else(|| Error::Config(format!("{what} is a function without a name")));
    }
    let object = Object::read(value, what)?;
    Ok((object.class, Some(object.config)))
}

/// What a value of a model comes from that a call gives it.
pub(crate) fn input_layer(name: &str, shape: &[Option<usize>], dtype: &str) -> Config {
    config::object(json!({
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {
            "batch_shape": shape, "dtype": dtype, "sparse": false, "ragged": false, "name": name, "optional": false,
        },
        "registered_name": null,
    }))
}

/// A layer's dtype policy.
pub(crate) fn policy(name: &str) -> Value {
    json!({"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": null})
}

/// A chain of layers, of which the first is an input of this shape.
pub(crate) fn sequential(
    name: &str,
    trainable: bool,
    policy: Value,
    shape: &[Option<usize>],
    layers: Vec<Value>,
) -> Config {
    config::object(json!({
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": name,
            "trainable": trainable,
            "dtype": policy,
            "layers": layers,
            "build_input_shape": shape,
        },
        "registered_name": null,
        "build_config": {"input_shape": shape},
    }))
}

/// JSON for an error.
pub(crate) fn short(value: &Value) -> String {
    clip(&value.to_string())
}

/// Text of a file for an error.
pub(crate) fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(80).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}
