//! Weights and optimizer state to and from the tree of model.weights.h5; the paths are in the docs of `files::h5`.

use super::order::{Member, members};
use crate::device::Device;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::files::Array;
use crate::files::h5::Tree;
use crate::layers::{LayerRef, WeightSpec, snake_case};
use crate::model::nested::Nested;
use crate::model::weights_file::to_tensor;
use crate::model::{Graph, Model};
use crate::optimizers::{Optimizer, Slot};
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// How many times as many numbers as a file brings the states of its layers may be: those of a batch of thousands.
const MAX_STATES: usize = 64;

/// An object of the file with variables of its own.
struct Object {
    /// Its group: `layers/sequential/layers/dense`.
    group: String,
    /// Its name, which Keras writes and never reads.
    name: String,
    /// The layer's path, for errors: `encoder/dense`.
    path: String,
    /// Its variables, as places in the graph's list; states that go from batch to batch are none, as in Keras.
    weights: Vec<usize>,
}

/// The objects of a model in Keras's order.
fn objects(graph: &Graph, sequential: bool) -> Vec<Object> {
    let mut found = Vec::new();
    collect(graph, sequential, "", "", 0, &mut found);
    for object in &mut found {
        object.weights.retain(|&place| !graph.weights[place].1.state);
    }
    found
}

fn collect(graph: &Graph, sequential: bool, group: &str, path: &str, first: usize, found: &mut Vec<Object>) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for member in members(graph) {
        let name = member.name(graph);
        let layer = match member {
            Member::Input(_) if sequential => continue,
            Member::Input(_) => None,
            Member::Layer(l) => Some(&graph.layers[l]),
        };
        let class = snake_case(layer.map_or("InputLayer", |l| l.layer.layer().class_name()));
        let count = counts.entry(class.clone()).or_insert(0);
        let group = format!(
            "{group}{}layers/{class}{}",
            slash(group),
            if *count == 0 { String::new() } else { format!("_{count}") }
        );
        *count += 1;
        let path = format!("{path}{}{name}", slash(path));
        let object = Object { group, name: name.into(), path, weights: vec![] };
        let Some(layer) = layer else {
            found.push(object);
            continue;
        };
        // Behind the layer's name.
        let weights = layer.weights.clone().map(|place| {
            let local = graph.weights[place].0.get(name.len() + 1..).unwrap_or_default();
            (local, first + place)
        });
        of_layer(&layer.layer, object, &weights.collect::<Vec<_>>(), found);
    }
}

/// Adds the object of a layer, and those of what it holds; `weights` are the names behind its own, and the places.
fn of_layer(layer: &LayerRef, object: Object, weights: &[(&str, usize)], found: &mut Vec<Object>) {
    let (group, path) = (object.group.clone(), object.path.clone());
    let own = found.len();
    found.push(object);
    if let Some(nested) = Nested::of(layer) {
        let first = weights.first().map_or(0, |(_, place)| *place);
        return collect(&nested.graph, nested.sequential, &group, &path, first, found);
    }
    let held = layer.layer().inner();
    for inner in &held {
        let (attribute, name) = (inner.attribute(), inner.name());
        let inside =
            weights.iter().filter_map(|&(name, place)| Some((name.strip_prefix(attribute)?.strip_prefix('/')?, place)));
        let (group, path) = (format!("{group}/{attribute}"), format!("{path}/{name}"));
        let object = Object { group, name, path, weights: vec![] };
        of_layer(inner.layer(), object, &inside.collect::<Vec<_>>(), found);
    }
    for &(name, place) in weights {
        // `cell/kernel` belongs to the layer that the attribute `cell` holds.
        let holder = match name.rsplit_once('/') {
            Some(_) if held.iter().any(|i| name.strip_prefix(i.attribute()).is_some_and(|n| n.starts_with('/'))) => {
                continue;
            }
            None => own,
            Some((attribute, _)) => {
                let inner = format!("{group}/{attribute}");
                let known = found[own..].iter().position(|o| o.group == inner).map(|i| own + i);
                known.unwrap_or_else(|| {
                    let (name, path) = (found[own].name.clone(), path.clone());
                    found.push(Object { group: inner, name, path, weights: vec![] });
                    found.len() - 1
                })
            }
        };
        found[holder].weights.push(place);
    }
}

fn slash(prefix: &str) -> &'static str {
    if prefix.is_empty() { "" } else { "/" }
}

/// The trainable weights in the order of the file, as places among the trainable ones in the model's order.
fn trainable(model: &Model) -> Vec<usize> {
    let weights = &model.graph.weights;
    let mut rank = vec![None; weights.len()];
    for (i, (place, _)) in weights.iter().enumerate().filter(|(_, (_, spec))| spec.trainable).enumerate() {
        rank[place] = Some(i);
    }
    objects(&model.graph, model.sequential).iter().flat_map(|o| &o.weights).filter_map(|&w| rank[w]).collect()
}

/// Puts the weights of a model where Keras looks for them.
pub(in crate::model) fn write(model: &Model, tree: &mut Tree) -> Result<()> {
    tree.put("", &model.name, []);
    for object in objects(&model.graph, model.sequential) {
        let arrays = object.weights.iter().map(|&w| model.weights[w].to_array()).collect::<Result<Vec<_>>>()?;
        tree.put(&object.group, &object.name, arrays);
    }
    Ok(())
}

/// Takes the weights of a graph out of a tree.
///
/// # Errors
/// Weights that are missing, left over, or of another shape or dtype, with the layer's path.
pub(in crate::model) fn read(tree: &mut Tree, graph: &Graph, sequential: bool, path: &Path) -> Result<Vec<Tensor>> {
    let bad = |object: &Object, message: String| Error::file(path, format!("layer `{}`: {message}", object.path));
    // A file says how large states are and brings none: they are held against what it does bring.
    let states = graph.weights.iter().filter(|(_, spec)| spec.state).map(|(_, spec)| spec.shape.size());
    let brought: usize = tree.arrays.values().map(|array| array.shape.iter().product::<usize>()).sum();
    if states.fold(0, usize::saturating_add) > brought.saturating_mul(MAX_STATES) {
        return Err(Error::file(path, format!("its states are more than {MAX_STATES} times as large as its weights")));
    }
    let none = |(_, spec): &(String, WeightSpec)| match spec.state {
        true => Tensor::zeros(&Device::Cpu, spec.shape, spec.dtype).map(Some),
        false => Ok(None),
    };
    let mut values = graph.weights.iter().map(none).collect::<Result<Vec<Option<Tensor>>>>()?;
    for object in objects(graph, sequential) {
        let expected = object.weights.len();
        let found = tree.get(&object.group)?.map_or(0, |arrays| arrays.len());
        if found != expected {
            let message = format!("expected {expected} variables in `{}`, found {found}", object.group);
            return Err(bad(&object, message));
        }
        for (i, &place) in object.weights.iter().enumerate() {
            let (name, spec) = &graph.weights[place];
            let array = tree.arrays.remove(&format!("{}/vars/{i}", object.group));
            let array = array.ok_or_else(|| bad(&object, format!("variable {i} is missing")))?;
            values[place] = Some(to_tensor(&array, spec, name, path)?);
        }
    }
    if let Some(surplus) = tree.arrays.keys().find(|name| !name.starts_with("optimizer/")) {
        return Err(Error::file(path, format!("holds `{surplus}`, for which the model has no layer")));
    }
    values.into_iter().collect::<Option<_>>().ok_or_else(|| Error::Internal("a weight belongs to no object".into()))
}

/// Slots that lie together for each weight; the groups follow each other, each for all weights.
fn slot_groups(optimizer: &dyn Optimizer) -> Vec<Range<usize>> {
    let (rule, all) = (optimizer.slots().len(), optimizer.all_slots().len());
    // Keras makes those of RMSprop one after another, of Adafactor all together, of the others the first two.
    let together = match optimizer.class_name() {
        "RMSprop" => 1,
        "Adafactor" => 3,
        _ => 2,
    };
    let first = (rule > 0).then_some(0..together.min(rule));
    let single = |slots: Range<usize>| slots.map(|s| s..s + 1);
    single(rule..all).chain(first).chain(single(together.min(rule)..rule)).collect()
}

/// Puts an optimizer's variables where Keras looks for them; `slots` are in the model's order of trainable weights.
pub(super) fn write_optimizer(
    model: &Model,
    optimizer: &dyn Optimizer,
    iteration: u64,
    slots: &[Vec<Tensor>],
    tree: &mut Tree,
) -> Result<()> {
    let order = trainable(model);
    let count = optimizer.all_slots().len();
    if slots.len() != order.len() || slots.iter().any(|s| s.len() != count) {
        let message =
            format!("{} trainable weights need {count} slots each of {}", order.len(), optimizer.class_name());
        return Err(Error::Internal(message));
    }
    let specs: Vec<_> = model.graph.weights.iter().filter(|(_, spec)| spec.trainable).collect();
    let updates = iteration / optimizer.settings().steps();
    let iteration = match i32::try_from(iteration) {
        Ok(iteration) => Array::from_slice(&[], &[iteration])?,
        Err(_) => Array::from_slice(&[], &[i64::try_from(iteration).unwrap_or(i64::MAX)])?,
    };
    let mut variables = vec![iteration];
    if let Some(rate) = optimizer.settings().learning_rate.constant() {
        variables.push(Array::from_slice(&[], &[rate as f32])?);
    }
    for group in slot_groups(optimizer) {
        for &weight in &order {
            let (name, spec) = specs[weight];
            for slot in group.clone() {
                match optimizer.any_slot(slot, name, &spec.shape) {
                    Slot::Kept(_) => variables.push(slots[weight][slot].to_array()?),
                    Slot::Placeholder => variables.push(Array::from_slice(&[], &[0i32])?),
                    Slot::Absent => {}
                }
            }
        }
    }
    if let Some(scalar) = optimizer.scalar(updates) {
        variables.push(Array::from_slice(&[], &[scalar as f32])?);
    }
    tree.put("optimizer", &snake_case(optimizer.class_name()), variables);
    Ok(())
}

/// An optimizer's iteration and slots, in the model's order of trainable weights; as at the start where the file has
/// none yet. The learning rate of the file becomes the optimizer's, for a callback may have moved it away from the
/// config's.
pub(super) fn read_optimizer(
    tree: &Tree,
    model: &Model,
    optimizer: &mut dyn Optimizer,
    path: &Path,
) -> Result<(u64, Vec<Vec<Tensor>>)> {
    let bad = |message: String| Error::file(path, format!("optimizer: {message}"));
    let specs: Vec<_> = model.graph.weights.iter().filter(|(_, spec)| spec.trainable).collect();
    let names = optimizer.all_slots();
    let count = names.len();
    let variables = tree.get("optimizer")?.unwrap_or_default();
    let mut iteration = 0;
    let mut stored = &variables[..];
    if let [first, rest @ ..] = stored {
        iteration = match first.dtype {
            DType::I32 => first.to_vec::<i32>()?.first().map(|&n| i64::from(n)),
            _ => first.to_vec::<i64>().map_err(|_| bad("expected an integer iteration".into()))?.first().copied(),
        }
        .and_then(|n| u64::try_from(n).ok())
        .ok_or_else(|| bad("the iteration is no whole number".into()))?;
        stored = rest;
    }
    // A schedule needs no more than the iteration.
    let settings = optimizer.settings_mut();
    if let (Some(known), [rate, rest @ ..]) = (settings.learning_rate.constant(), stored) {
        let rate = match rate.to_vec::<f32>().as_deref() {
            Ok([rate]) if rate.is_finite() => *rate,
            _ => return Err(bad("expected a float32 learning rate".into())),
        };
        if known as f32 != rate {
            settings.learning_rate = f64::from(rate).into();
        }
        stored = rest;
    }
    let there = |(name, spec): &&(String, WeightSpec)| {
        (0..count).filter(|&slot| optimizer.any_slot(slot, name, &spec.shape) != Slot::Absent).count()
    };
    let expected = specs.iter().map(there).sum::<usize>() + usize::from(optimizer.scalar(0).is_some());
    if !stored.is_empty() && stored.len() != expected {
        let message = format!("expected {expected} variables of {}, found {}", optimizer.class_name(), stored.len());
        return Err(bad(message));
    }
    let first = |(name, spec): &&(String, WeightSpec)| optimizer.first_slots(&Device::Cpu, name, &spec.shape);
    let mut slots = specs.iter().map(first).collect::<Result<Vec<_>>>()?;
    if stored.is_empty() {
        return Ok((iteration, slots));
    }
    let mut stored = stored.iter();
    for group in slot_groups(optimizer) {
        for weight in trainable(model) {
            for slot in group.clone() {
                let (weight_name, spec) = specs[weight];
                let found = optimizer.any_slot(slot, weight_name, &spec.shape);
                if found == Slot::Absent {
                    continue;
                }
                let name = format!("optimizer/{weight_name}/{}", names[slot]);
                let array = stored.next().ok_or_else(|| bad(format!("`{name}` is missing")))?;
                if let Slot::Kept(shape) = found {
                    let spec = WeightSpec { shape, ..spec.clone() };
                    slots[weight][slot] = to_tensor(array, &spec, &name, path)?;
                }
            }
        }
    }
    Ok((iteration, slots))
}
