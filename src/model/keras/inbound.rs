//! Where the calls of a functional config read from: their inbound nodes, and the model's inputs and outputs.

use crate::error::{Error, Result};
use crate::files::keras::object::{class_of, clip, short};
use crate::layers::{Argument, Signature};
use serde_json::Value;
use std::collections::HashSet;

/// An output of a call: the layer's name, which of its calls, which output.
pub(super) type History<'a> = (&'a str, usize, usize);

/// What a call reads.
pub(super) struct Inbound<'a> {
    pub inputs: Vec<History<'a>>,
    /// What it is told, as its layer's signature.
    pub signature: Signature,
    /// Whether it is given a mask of its own input's, which Keras writes down as an argument.
    pub masked: bool,
}

/// What each call of a layer reads: its inbound nodes; `masks` are what Keras computes masks by, and the signature is
/// the layer's.
pub(super) fn calls<'a>(value: &'a Value, masks: &MaskOps, signature: Signature) -> Result<Vec<Inbound<'a>>> {
    match value.get("inbound_nodes") {
        None => Ok(Vec::new()),
        Some(Value::Array(nodes)) => nodes.iter().map(|node| call(node, masks, signature)).collect(),
        Some(other) => Err(Error::Config(format!("expected a list of inbound nodes, got {}", short(other)))),
    }
}

fn call<'a>(node: &'a Value, masks: &MaskOps, mut signature: Signature) -> Result<Inbound<'a>> {
    let (Some(args), Some(kwargs)) =
        (node.get("args").and_then(Value::as_array), node.get("kwargs").and_then(Value::as_object))
    else {
        let message = format!("expected a call's args and kwargs, as Keras 3 writes them, got {}", short(node));
        return Err(Error::Config(message));
    };
    let arguments = signature.arguments();
    if args.len() > arguments.len() {
        return Err(Error::Config(format!("expected at most {} arguments, got {}", arguments.len(), short(node))));
    }
    let unknown = |key: &str, v: &Value| {
        let message = format!("is called with `{}` = {}, which this engine cannot pass on", clip(key), short(v));
        Err(Error::Config(message))
    };
    let mut masked = false;
    // What the model is called with overrides `training`.
    for (key, value) in kwargs.iter().filter(|(_, v)| !v.is_null()) {
        match arguments.iter().find(|a| a.name() == key) {
            Some(Argument::Other(_)) | None if key == "training" && value.is_boolean() => {}
            Some(Argument::Other(_)) if masks.made(value) => masked = true,
            None if key == "mask" && masks.made(value) => masked = true,
            Some(Argument::Other(_)) | None => return unknown(key, value),
            Some(_) => {}
        }
    }
    let mut inputs = Vec::new();
    let mut positional = 0;
    let mut missing = None;
    for (i, &argument) in arguments.iter().enumerate() {
        let value = args.get(i).or_else(|| kwargs.get(argument.name())).filter(|v| !v.is_null());
        match (argument, value) {
            (Argument::Input(name), None) => missing = missing.or(Some(name)),
            (_, None) => {}
            (Argument::Input(_) | Argument::Inputs(_), Some(_)) if missing.is_some() => {
                let missing = missing.unwrap_or_default();
                return Err(Error::Config(format!("is called with `{}` and without `{missing}`", argument.name())));
            }
            (Argument::Input(_), Some(value)) => inputs.push(history(value)?),
            // States may be in lists in a list.
            (Argument::Inputs(_), Some(value)) => flatten(value, usize::from(i == 0), &mut inputs)?,
            (Argument::Optional(name), Some(value)) => {
                inputs.push(history(value)?);
                signature = signature.tell(name, true);
            }
            (Argument::Flag(name, _), Some(Value::Bool(told))) => signature = signature.tell(name, *told),
            (Argument::Number(name), Some(value)) => match value.as_i64().and_then(|n| signature.tell_value(name, n)) {
                Some(told) => signature = told,
                None => return unknown(name, value),
            },
            (Argument::Other(_), Some(_)) if i >= args.len() => {}
            (Argument::Flag(..) | Argument::Other(_), Some(value)) => return unknown(argument.name(), value),
        }
        if i < args.len() {
            positional = inputs.len();
        }
    }
    if inputs.is_empty() {
        return Err(Error::Config("is called on nothing".into()));
    }
    if signature != Signature::PLAIN {
        signature = signature.with_positional(positional);
    }
    Ok(Inbound { inputs, signature, masked })
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

/// The ops of a functional config by which Keras computes the masks that it gives to layers as arguments. This engine computes
/// the same masks by itself, so they are read to see that they are these and no others.
#[derive(Default)]
pub(super) struct MaskOps<'a>(HashSet<&'a str>);

impl<'a> MaskOps<'a> {
    /// Those among the layers of a config.
    pub fn of(layers: &'a [Value]) -> MaskOps<'a> {
        let name = |layer: &'a Value| layer.get("name").and_then(Value::as_str);
        let argument = |layer: &'a Value, at: usize| layer.get("inbound_nodes")?.get(0)?.get("args")?.get(at);
        // What makes masks, and the number that stands for none.
        let makers = layers.iter().filter_map(|layer| {
            let config = layer.get("config")?;
            let none = match class_of(layer)? {
                "Embedding" if config.get("mask_zero") == Some(&Value::Bool(true)) => 0.0,
                "Masking" => config.get("mask_value").map_or(Some(0.0), Value::as_f64)?,
                _ => return None,
            };
            let nodes = layer.get("inbound_nodes")?.as_array()?;
            Some(
                nodes
                    .iter()
                    .filter_map(move |node| Some((history(node.get("args")?.get(0)?).ok()?, f64::to_bits(none)))),
            )
        });
        let makers: HashSet<(History, u64)> = makers.flatten().collect();
        let mut ops = MaskOps::default();
        // Keras lists each behind what it reads.
        for layer in layers {
            let op = layer.get("module").and_then(Value::as_str).is_some_and(|m| m.starts_with("keras.src.ops."));
            let (Some(name), Some(class), true) = (name(layer), class_of(layer), op) else { continue };
            let made = |at: usize| argument(layer, at).is_some_and(|x| ops.made(x));
            let of_a_mask = match class {
                "NotEqual" => argument(layer, 0)
                    .and_then(|x| history(x).ok())
                    .zip(argument(layer, 1).and_then(Value::as_f64).map(f64::to_bits))
                    .is_some_and(|pair| makers.contains(&pair)),
                "Any" | "ConvertToTensor" | "ExpandDims" => made(0),
                "LogicalOr" => made(0) && made(1),
                "Concatenate" => {
                    argument(layer, 0).and_then(Value::as_array).is_some_and(|all| all.iter().all(|x| ops.made(x)))
                }
                "ZerosLike" | "OnesLike" => true,
                _ => false,
            };
            if of_a_mask {
                ops.0.insert(name);
            }
        }
        ops
    }

    /// Whether a layer is one of them.
    pub fn contains(&self, layer: &Value) -> bool {
        layer.get("name").and_then(Value::as_str).is_some_and(|name| self.0.contains(name))
    }

    /// Whether one of them made this tensor.
    fn made(&self, tensor: &Value) -> bool {
        history(tensor).is_ok_and(|(name, ..)| self.0.contains(name))
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
