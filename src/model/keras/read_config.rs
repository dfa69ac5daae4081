//! config.json to a graph, without drawing a weight.

use super::inbound::{Inbound, MaskOps, calls, ends};
use super::order::members;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::keras::object::{Object, class_of, clip, short};
use crate::layers::{self, Config, Input, LayerRef, Precision, Read, Signature, Spec, Symbol};
use crate::model::Graph;
use crate::model::nested::Nested;
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Models inside models.
const MAX_DEPTH: usize = 16;
/// Layers of all models together.
const MAX_LAYERS: usize = 10_000;
/// Calls of layers, those inside nested models counted each time: what one prediction takes.
const MAX_CALLS: usize = 100_000;
/// Bytes of a layer's name: paths repeat it.
const MAX_NAME: usize = 200;

/// The model that a config describes.
pub(super) struct Described {
    pub name: String,
    pub graph: Graph,
    pub sequential: bool,
    /// The policy of the layers that have none of their own.
    pub precision: Precision,
}

/// Reads the top level of config.json.
pub(super) fn read(value: &Value) -> Result<Described> {
    let object = Object::read(value, "a model")?;
    let policy = common_policy(object.config, 0);
    let mut reader = Reader { layers: 0, policy };
    let (graph, _) = reader.model(object, 0, !object.config.flag("trainable", true)?)?;
    Ok(Described {
        name: object.config.word("name", "model")?,
        graph,
        sequential: object.class == "Sequential",
        precision: policy,
    })
}

struct Reader {
    layers: usize,
    /// The model's; layers of another are told theirs.
    policy: Precision,
}

/// A layer of a functional config.
struct Listed<'a> {
    name: &'a str,
    source: Listing,
    /// What each of its calls reads.
    calls: Vec<Inbound<'a>>,
    /// Keras counts the calls of a nested functional model from 1 where it lists a model's outputs.
    first_call: usize,
    /// What one call costs.
    cost: usize,
}

enum Listing {
    Input(Symbol),
    Layer(LayerRef),
}

impl Reader {
    /// The graph of a nested or the outermost model, and how many calls it makes.
    fn model(&mut self, object: Object, depth: usize, frozen: bool) -> Result<(Graph, usize)> {
        if depth > MAX_DEPTH {
            return Err(Error::Config(format!("models are nested more than {MAX_DEPTH} deep")));
        }
        let layers = match object.config.get("layers") {
            Some(Value::Array(layers)) => layers,
            _ => return Err(Error::Config(format!("a {} without a list of layers", clip(object.class)))),
        };
        self.layers += layers.len();
        if self.layers > MAX_LAYERS {
            return Err(Error::Config(format!("there are more than {MAX_LAYERS} layers")));
        }
        let (graph, cost) = match object.class {
            "Sequential" => self.sequential(object.config, layers, depth, frozen)?,
            "Functional" => self.functional(object.config, layers, depth, frozen)?,
            class => return Err(unknown_model(class)),
        };
        // The weights file counts in the order that Keras computes anew: were it not the one listed, weights would land
        // in the wrong layers.
        let masks = MaskOps::of(layers);
        let listed = layers.iter().filter(|layer| !masks.contains(layer)).filter_map(name_of);
        let listed = listed.filter(|&name| object.class == "Functional" || graph.layers.iter().any(|l| l.name == name));
        let computed = members(&graph);
        let computed = computed.iter().map(|m| m.name(&graph));
        if object.class == "Functional" && !listed.eq(computed) {
            return Err(Error::Config("the layers are listed in another order than Keras lists them".into()));
        }
        Ok((graph, cost))
    }

    fn sequential(&mut self, config: &Config, layers: &[Value], depth: usize, frozen: bool) -> Result<(Graph, usize)> {
        let (input, rest) = match layers.split_first() {
            Some((first, rest)) if class_of(first) == Some("InputLayer") => (input(first)?, rest),
            _ => match config.find("build_input_shape") {
                Some(shape) => (Input::of(Spec { dims: dims(shape)?, dtype: DType::F32 }, None), layers),
                None => {
                    return Err(Error::Config("the Sequential model was saved before it knew its input shape".into()));
                }
            },
        };
        let mut total = 0usize;
        let mut chain = vec![input.clone()];
        for value in rest {
            let (layer, cost) = self.layer(value, depth, frozen)?;
            total = count(total, cost)?;
            let output = layer.call(chain.last().unwrap_or(&input))?;
            chain.push(output);
        }
        let graph = Graph::new(std::slice::from_ref(&input), &chain[chain.len() - 1..]);
        drop_backwards(chain);
        Ok((graph?, total))
    }

    fn functional(&mut self, config: &Config, layers: &[Value], depth: usize, frozen: bool) -> Result<(Graph, usize)> {
        let mut listed = Vec::with_capacity(layers.len());
        let mut places = HashMap::new();
        let masks = MaskOps::of(layers);
        for (i, value) in layers.iter().filter(|layer| !masks.contains(layer)).enumerate() {
            let name = checked_name(value)?;
            let calls = |signature| calls(value, &masks, signature).map_err(|e| e.in_layer(name));
            let (source, calls, cost) = if class_of(value) == Some("InputLayer") {
                (Listing::Input(input(value)?), calls(Signature::PLAIN)?, 0)
            } else {
                let (layer, cost) = self.layer(value, depth, frozen)?;
                let calls = calls(layer.layer().signature())?;
                (Listing::Layer(layer), calls, cost)
            };
            let first_call = usize::from(class_of(value) == Some("Functional"));
            listed.push(Listed { name, source, calls, first_call, cost });
            if places.insert(name, i).is_some() {
                return Err(Error::Config(format!("two layers are named `{name}`; names in a model must differ")));
            }
        }
        let mut total = 0usize;
        for layer in &listed {
            for _ in &layer.calls {
                total = count(total, layer.cost)?;
            }
        }
        let mut symbols = Vec::new();
        let graph = connect(&listed, &places, &mut symbols).and_then(|made| {
            let end = |key: &str, outputs: bool| -> Result<Vec<Symbol>> {
                let ends = ends(config.get(key), key)?.into_iter().map(|(name, call, output)| {
                    let unknown =
                        || Error::Config(format!("`{key}` names `{}`, call {call}, which is not there", clip(name)));
                    let &place = places.get(name).ok_or_else(unknown)?;
                    let first = if outputs { listed[place].first_call } else { 0 };
                    let call = call.checked_sub(first).ok_or_else(unknown)?;
                    let range = made.get(&(place, call)).ok_or_else(unknown)?;
                    symbols[range.clone()].get(output).cloned().ok_or_else(unknown)
                });
                ends.collect()
            };
            let graph = Graph::new(&end("input_layers", false)?, &end("output_layers", true)?)?;
            let calls: usize = listed.iter().map(|l| l.calls.len()).sum();
            let known =
                |name: &str| graph.layers.iter().any(|l| l.name == name) || graph.inputs.iter().any(|(n, _)| n == name);
            if graph.layers.len() + graph.inputs.len() != listed.len() || graph.steps.len() != calls {
                let lost = listed.iter().find(|l| !known(l.name)).map_or("a call of a shared layer", |l| l.name);
                return Err(Error::Config(format!("no output depends on `{lost}`")));
            }
            check_masks(&listed, &graph)?;
            Ok(graph)
        });
        drop_backwards(symbols);
        Ok((graph?, total))
    }

    /// A layer, and how many calls one call of it makes.
    fn layer(&mut self, value: &Value, depth: usize, frozen: bool) -> Result<(LayerRef, usize)> {
        let name = checked_name(value)?;
        let mut read = || -> Result<(LayerRef, usize)> {
            let object = Object::read(value, "a layer")?;
            let trainable = object.config.flag("trainable", true)? && !frozen;
            let (layer, cost) = match object.class {
                "Sequential" | "Functional" => {
                    let (graph, cost) = self.model(object, depth + 1, false)?;
                    let sequential = object.class == "Sequential";
                    (LayerRef::new(Nested { graph: Arc::new(graph), sequential }), cost)
                }
                class => {
                    let mut inside = 0;
                    let layer = layers::from_config_with(class, object.config, &mut |value| {
                        self.layers += 1;
                        if depth == MAX_DEPTH || self.layers > MAX_LAYERS {
                            let message = format!("layers hold more than {MAX_LAYERS} others, or {MAX_DEPTH} deep");
                            return Err(Error::Config(message));
                        }
                        let (layer, cost) = self.layer(value, depth + 1, false)?;
                        inside = count(inside, cost)?;
                        Ok(layer)
                    })?;
                    (layer.with_arguments(object.config, self.policy)?, 1 + inside)
                }
            };
            Ok((layer.named(name).trainable(trainable), cost.max(1)))
        };
        read().map_err(|e| e.in_layer(name))
    }
}

/// The policy of a model's layers, where they differ the first mixed one: layers of another keep theirs.
fn common_policy(model: &Config, depth: usize) -> Precision {
    let layers = model.get("layers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of = |layer: &Value| match (class_of(layer), layer.get("config").and_then(Value::as_object)) {
        (Some("Sequential" | "Functional"), Some(config)) if depth < MAX_DEPTH => common_policy(config, depth + 1),
        (Some("InputLayer"), _) => Precision::F32,
        (_, config) => Precision::read(config.and_then(|c| c.find("dtype"))).unwrap_or_default(),
    };
    layers.iter().map(of).find(|p| *p != Precision::F32).unwrap_or_default()
}

/// Checks that calls which are given a mask read something that has one.
fn check_masks(listed: &[Listed], graph: &Graph) -> Result<()> {
    let masked = graph.masked(&[]).0;
    for layer in listed.iter().filter(|layer| layer.calls.iter().any(|call| call.masked)) {
        let steps = graph.steps.iter().filter(|step| graph.layers[step.layer].name == layer.name);
        if steps.flat_map(|step| &step.inputs).all(|&value| !masked[value]) {
            let message = "is called with a mask that its input does not have, which this engine cannot pass on";
            return Err(Error::Config(message.into()).in_layer(layer.name));
        }
    }
    Ok(())
}

/// Makes the calls, each after those that it reads from; for each the place of its outputs in `symbols`, which holds
/// them in the order in which they were made.
fn connect(
    listed: &[Listed],
    places: &HashMap<&str, usize>,
    symbols: &mut Vec<Symbol>,
) -> Result<HashMap<(usize, usize), Range<usize>>> {
    let mut made = HashMap::new();
    let mut waiting: HashMap<(usize, usize), Vec<(usize, usize)>> = HashMap::new();
    let mut missing: HashMap<(usize, usize), usize> = HashMap::new();
    let mut ready = std::collections::VecDeque::new();
    for (i, layer) in listed.iter().enumerate() {
        if let Listing::Input(symbol) = &layer.source {
            made.insert((i, 0), symbols.len()..symbols.len() + 1);
            symbols.push(symbol.clone());
        }
    }
    for (i, layer) in listed.iter().enumerate() {
        for (call, Inbound { inputs, .. }) in layer.calls.iter().enumerate() {
            let mut open = 0;
            for (name, node, _) in inputs {
                let unknown =
                    || Error::Config(format!("is called on `{}`, call {node}, which is not there", clip(name)));
                let from = *places.get(name).ok_or_else(|| unknown().in_layer(layer.name))?;
                if matches!(listed[from].source, Listing::Layer(_)) {
                    listed[from].calls.get(*node).ok_or_else(|| unknown().in_layer(layer.name))?;
                    waiting.entry((from, *node)).or_default().push((i, call));
                    open += 1;
                } else if *node != 0 {
                    return Err(unknown().in_layer(layer.name));
                }
            }
            if open == 0 {
                ready.push_back((i, call));
            } else {
                missing.insert((i, call), open);
            }
        }
    }
    while let Some((i, call)) = ready.pop_front() {
        let Listing::Layer(layer) = &listed[i].source else { continue };
        let inputs = listed[i].calls[call].inputs.iter().map(|(name, node, output)| {
            let from = places.get(name).and_then(|&p| made.get(&(p, *node)));
            let symbol: Option<&Symbol> = from.and_then(|range: &Range<usize>| symbols[range.clone()].get(*output));
            symbol.cloned().ok_or_else(|| {
                Error::Config(format!("is called on output {output} of `{}`, which it lacks", clip(name)))
                    .in_layer(listed[i].name)
            })
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let outputs = layer.in_calls(listed[i].calls[call].signature).call_all(&inputs)?;
        made.insert((i, call), symbols.len()..symbols.len() + outputs.len());
        symbols.extend(outputs);
        for waits in waiting.remove(&(i, call)).unwrap_or_default() {
            if let Some(open) = missing.get_mut(&waits) {
                *open -= 1;
                if *open == 0 {
                    missing.remove(&waits);
                    ready.push_back(waits);
                }
            }
        }
    }
    match missing.keys().min() {
        Some(&(i, _)) => {
            Err(Error::Config(format!("layer `{}` depends on itself: the graph goes in a circle", listed[i].name)))
        }
        None => Ok(made),
    }
}

/// Lets symbols go so that none takes a long chain of others along, call within call, on the stack.
fn drop_backwards(mut symbols: Vec<Symbol>) {
    while symbols.pop().is_some() {}
}

fn count(total: usize, cost: usize) -> Result<usize> {
    let total = total.saturating_add(cost);
    if total > MAX_CALLS {
        Err(Error::Config(format!("the model makes more than {MAX_CALLS} calls")))
    } else {
        Ok(total)
    }
}

fn name_of(value: &Value) -> Option<&str> {
    let config = value.get("config").and_then(|c| c.get("name"));
    config.or_else(|| value.get("name")).and_then(Value::as_str)
}

fn checked_name(value: &Value) -> Result<&str> {
    let name = name_of(value).ok_or_else(|| Error::Config(format!("a layer without a name: {}", short(value))))?;
    let outer = value.get("name").and_then(Value::as_str);
    if name.is_empty() || name.len() > MAX_NAME || name.contains('/') || outer.is_some_and(|outer| outer != name) {
        return Err(Error::Config(format!("the layer name `{}` is absurd", clip(name))));
    }
    Ok(name)
}

fn unknown_model(class: &str) -> Error {
    Error::Config(format!("the model is a `{}`; Sequential and Functional ones can be read", clip(class)))
}

/// The symbol of an InputLayer.
fn input(value: &Value) -> Result<Symbol> {
    let name = checked_name(value)?;
    let read = || -> Result<Symbol> {
        let config = Object::read(value, "a layer")?.config;
        config.refuse(&["sparse", "ragged", "optional"])?;
        let shape = config.find("batch_shape").or_else(|| config.find("batch_input_shape"));
        let shape = shape.ok_or_else(|| Error::Config("argument `batch_shape` is missing".into()))?;
        let dtype = config.word("dtype", "float32")?;
        let dtype = DType::ALL
            .into_iter()
            .find(|d| d.name() == dtype)
            .ok_or_else(|| Error::Config(format!("argument `dtype`: this engine has no {}", clip(&dtype))))?;
        Ok(Input::of(Spec { dims: dims(shape)?, dtype }, Some(name.to_string())))
    };
    read().map_err(|e| e.in_layer(name))
}

/// A shape with `null` for what the data decides.
fn dims(value: &Value) -> Result<Vec<Option<usize>>> {
    let extent = |v: &Value| match v {
        Value::Null => Some(None),
        v => v.as_u64().and_then(|n| usize::try_from(n).ok()).map(Some),
    };
    let dims = value.as_array().and_then(|dims| dims.iter().map(extent).collect::<Option<Vec<_>>>());
    dims.filter(|dims| (1..=crate::shape::MAX_RANK).contains(&dims.len()))
        .ok_or_else(|| Error::Config(format!("expected a shape of a batch of samples, got {}", short(value))))
}
