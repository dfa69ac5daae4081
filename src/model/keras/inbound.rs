//! Where the calls of a functional config read from: their inbound nodes, and the model's inputs and outputs.

use super::object::{class_of, clip, short};
use crate::error::{Error, Result};
use serde_json::Value;

/// An output of a call: the layer's name, which of its calls, which output.
pub(super) type History<'a> = (&'a str, usize, usize);

/// What each call of a layer reads: its inbound nodes.
pub(super) fn calls(value: &Value) -> Result<Vec<Vec<History<'_>>>> {
    let nodes = match value.get("inbound_nodes") {
        None => return Ok(Vec::new()),
        Some(Value::Array(nodes)) => nodes,
        Some(other) => return Err(Error::Config(format!("expected a list of inbound nodes, got {}", short(other)))),
    };
    nodes.iter().map(call).collect()
}

fn call(node: &Value) -> Result<Vec<History<'_>>> {
    let (Some(args), Some(kwargs)) =
        (node.get("args").and_then(Value::as_array), node.get("kwargs").and_then(Value::as_object))
    else {
        let message = format!("expected a call's args and kwargs, as Keras 3 writes them, got {}", short(node));
        return Err(Error::Config(message));
    };
    // What the model is called with overrides `training`; a mask that is null means none, and others follow from the layers
    // before, as `read_config` sees to.
    let known = |key: &str, v: &Value| match key {
        "training" => v.is_boolean(),
        "mask" => class_of(v) == Some("__keras_tensor__"),
        "initial_state" => true,
        _ => false,
    };
    let meant = kwargs.iter().find(|(key, v)| !(v.is_null() || known(key, v)));
    if let Some((key, v)) = meant {
        return Err(Error::Config(format!(
            "is called with `{}` = {}, which this engine cannot pass on",
            clip(key),
            short(v)
        )));
    }
    let mut args = args.iter().filter(|a| !a.is_null());
    let mut inputs = match (args.next(), args.next()) {
        (Some(Value::Array(list)), None) => list.iter().map(history).collect::<Result<Vec<_>>>()?,
        (Some(one), None) => vec![history(one)?],
        _ => {
            return Err(Error::Config(format!("expected a call on one tensor or a list of them, got {}", short(node))));
        }
    };
    if inputs.is_empty() {
        return Err(Error::Config("is called on nothing".into()));
    }
    if let Some(states) = kwargs.get("initial_state").filter(|v| !v.is_null()) {
        flatten(states, 0, &mut inputs)?;
    }
    Ok(inputs)
}

/// The tensors of a list, or of lists in a list as cells one upon the other have them.
fn flatten<'a>(value: &'a Value, depth: usize, found: &mut Vec<History<'a>>) -> Result<()> {
    match value {
        Value::Array(list) if depth < 2 => list.iter().try_for_each(|value| flatten(value, depth + 1, found)),
        one => {
            found.push(history(one)?);
            Ok(())
        }
    }
}

/// The masks that the calls of a layer are given by name.
pub(super) fn masks(value: &Value) -> Result<Vec<History<'_>>> {
    let nodes = value.get("inbound_nodes").and_then(Value::as_array).into_iter().flatten();
    let masks = nodes.filter_map(|node| node.get("kwargs")?.get("mask")).filter(|mask| !mask.is_null());
    masks.map(history).collect()
}

/// What a call of Keras's op `not_equal` compares with 0, if it is one: the mask that an Embedding makes.
pub(super) fn compared_with_zero(value: &Value) -> Option<History<'_>> {
    let nodes = value.get("inbound_nodes").and_then(Value::as_array)?;
    let [node] = &nodes[..] else { return None };
    match &node.get("args").and_then(Value::as_array)?[..] {
        [x, zero] if class_of(value) == Some("NotEqual") && zero.as_f64() == Some(0.0) => history(x).ok(),
        _ => None,
    }
}

fn history(value: &Value) -> Result<History<'_>> {
    let wrong = || Error::Config(format!("expected the output of a layer's call, got {}", short(value)));
    if class_of(value) != Some("__keras_tensor__") {
        return Err(wrong());
    }
    value.get("config").and_then(|c| c.get("keras_history")).and_then(triple).ok_or_else(wrong)
}

/// `["dense", 0, 0]`.
fn triple(value: &Value) -> Option<History<'_>> {
    match value.as_array()?.as_slice() {
        [name, call, output] => {
            let number = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok());
            Some((name.as_str()?, number(call)?, number(output)?))
        }
        _ => None,
    }
}

/// The model's inputs or outputs: one triple, or a list of them.
pub(super) fn ends<'a>(value: Option<&'a Value>, key: &str) -> Result<Vec<History<'a>>> {
    let value = value.ok_or_else(|| Error::Config(format!("the model has no `{key}`")))?;
    if let Some(one) = triple(value) {
        return Ok(vec![one]);
    }
    if value.is_object() {
        let message = format!("`{key}` is a dict: inputs and outputs by name are not supported, give them as a list");
        return Err(Error::Config(message));
    }
    let list = value.as_array().and_then(|list| list.iter().map(triple).collect::<Option<Vec<_>>>());
    list.ok_or_else(|| Error::Config(format!("`{key}`: expected a list of tensors, got {}", short(value))))
}
