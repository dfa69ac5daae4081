//! A graph to config.json.

use super::order::{Member, members};
use crate::error::{Error, Result};
use crate::files::keras::object::{input_layer, sequential as sequence};
use crate::layers::{Argument, Config, LayerRef, Precision, RNN, Signature, Spec, object, serialized};
use crate::model::nested::Nested;
use crate::model::{Entry, Graph, Model};
use serde_json::{Value, json};
use std::any::Any;

/// Keras's form of a model, without its compile config.
pub(super) fn write(model: &Model) -> Result<Config> {
    let writer = Writer { policy: model.precision };
    writer.model(&model.graph, &model.name, model.sequential, true)
}

struct Writer {
    policy: Precision,
}

impl Writer {
    fn model(&self, graph: &Graph, name: &str, sequential: bool, trainable: bool) -> Result<Config> {
        check_names(graph, name)?;
        let order = members(graph);
        let input = |(name, spec): &(String, Spec)| input_layer(name, &spec.dims, spec.dtype.name());
        Ok(if sequential {
            let inputs = graph.inputs.iter().map(|i| Ok(Value::Object(input(i))));
            let layers = (0..graph.layers.len()).map(|l| self.layer(graph, l, trainable).map(Value::Object));
            let layers = inputs.chain(layers).collect::<Result<_>>()?;
            sequence(name, trainable, self.policy.serialized(), &graph.inputs[0].1.dims, layers)
        } else {
            let calls = Calls::new(graph);
            let layers = order.iter().map(|&member| {
                let mut layer = match member {
                    Member::Input(i) => input(&graph.inputs[i]),
                    Member::Layer(l) => self.layer(graph, l, trainable)?,
                };
                layer.insert("name".into(), member.name(graph).into());
                layer.insert("inbound_nodes".into(), calls.inbound_nodes(member));
                Ok(Value::Object(layer))
            });
            object(json!({
                "module": "keras.src.models.functional",
                "class_name": "Functional",
                "config": {
                    "name": name,
                    "trainable": trainable,
                    "layers": layers.collect::<Result<Vec<_>>>()?,
                    "input_layers": one_or_all((0..graph.inputs.len()).map(|i| calls.history(i)).collect()),
                    "output_layers": one_or_all(graph.outputs.iter().map(|&v| calls.output(v)).collect()),
                },
                "registered_name": "Functional",
                "build_config": {"input_shape": null},
            }))
        })
    }

    fn layer(&self, graph: &Graph, place: usize, trainable: bool) -> Result<Config> {
        let entry = &graph.layers[place];
        let mut value = self.described(&entry.layer, &entry.name, trainable)?;
        if !entry.weights.is_empty() && Nested::of(&entry.layer).is_none() {
            let config = match &entry.layer.layer().signature().built(&entry.inputs)[..] {
                [] => json!({"input_shape": one_or_all(entry.inputs.iter().map(|spec| json!(spec.dims)).collect())}),
                [(_, spec)] => json!({"input_shape": spec.dims}),
                several => {
                    let shapes = several.iter().map(|(name, spec)| (format!("{name}_shape"), json!(spec.dims)));
                    json!({"shapes_dict": shapes.collect::<Config>()})
                }
            };
            value.insert("build_config".into(), config);
        }
        Ok(value)
    }

    fn described(&self, layer: &LayerRef, name: &str, trainable: bool) -> Result<Config> {
        let policy = layer.own_precision().unwrap_or(self.policy);
        // Keras freezes what is inside of what is frozen.
        let trainable = trainable && layer.is_trainable();
        if let Some(nested) = Nested::of(layer) {
            let written = Writer { policy }.model(&nested.graph, name, nested.sequential, trainable);
            return written.map_err(|e| e.in_layer(name));
        }
        let mut config = layer.full_config(name, trainable, self.policy);
        let held = layer.layer().inner();
        // Written anew, since what is around them decides their policy.
        held.iter().for_each(|inner| drop(config.remove(inner.argument_name())));
        for inner in held {
            let described = Writer { policy }.described(inner.layer(), &inner.name(), trainable);
            inner.put(&mut config, described.map_err(|e| e.in_layer(name))?.into());
        }
        Ok(object(serialized(layer.layer().class_name(), config)))
    }
}

fn one_or_all(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.swap_remove(0) } else { Value::Array(values) }
}

/// Keras takes no slash in a name.
fn check_names(graph: &Graph, model: &str) -> Result<()> {
    let names = graph.inputs.iter().map(|(name, _)| name).chain(graph.layers.iter().map(|l| &l.name));
    match names.map(String::as_str).chain([model]).find(|name| name.is_empty() || name.contains('/')) {
        Some(name) => {
            Err(Error::Config(format!("a model file cannot name a layer `{name}`: it is empty or has a slash")))
        }
        None => Ok(()),
    }
}

/// Where each value of a graph comes from, as Keras counts: the layer, which of its calls, which output.
struct Calls<'a> {
    graph: &'a Graph,
    values: Vec<(Member, usize, usize)>,
}

impl<'a> Calls<'a> {
    fn new(graph: &'a Graph) -> Calls<'a> {
        let mut values: Vec<_> = (0..graph.inputs.len()).map(|i| (Member::Input(i), 0, 0)).collect();
        let mut calls = vec![0; graph.layers.len()];
        for step in &graph.steps {
            values.extend((0..step.outputs.len()).map(|o| (Member::Layer(step.layer), calls[step.layer], o)));
            calls[step.layer] += 1;
        }
        Calls { graph, values }
    }

    fn history(&self, value: usize) -> Value {
        let (member, call, output) = self.values[value];
        json!([member.name(self.graph), call, output])
    }

    /// The same for an output of the model, where Keras counts the calls of a nested functional model from 1.
    fn output(&self, value: usize) -> Value {
        let (member, call, output) = self.values[value];
        let functional = match member {
            Member::Layer(l) => Nested::of(&self.graph.layers[l].layer).is_some_and(|n| !n.sequential),
            Member::Input(_) => false,
        };
        json!([member.name(self.graph), call + usize::from(functional), output])
    }

    /// The first states of a recurrence, of cells one upon the other those of each in a list.
    fn grouped(&self, entry: &Entry, states: Vec<Value>) -> Vec<Value> {
        let any: &dyn Any = entry.layer.layer();
        let groups = any.downcast_ref::<RNN>().and_then(|rnn| rnn.state_groups(&entry.inputs[0]));
        let Some(groups) = groups.filter(|_| !states.is_empty()) else { return states };
        let mut rest = states.into_iter();
        groups.into_iter().map(|n| Value::Array(rest.by_ref().take(n).collect())).collect()
    }

    fn inbound_nodes(&self, member: Member) -> Value {
        let Member::Layer(layer) = member else { return json!([]) };
        let tensor = |&value: &usize| {
            let spec = self.graph.spec(value);
            json!({
                "class_name": "__keras_tensor__",
                "config": {
                    "shape": spec.map(|s| &s.dims),
                    "dtype": spec.map(|s| s.dtype.name()),
                    "keras_history": self.history(value),
                },
            })
        };
        let steps = self.graph.steps.iter().filter(|s| s.layer == layer);
        let entry = &self.graph.layers[layer];
        let node = |signature: Signature, inputs: Vec<Value>| {
            let positional = signature.positional(inputs.len());
            let (mut args, mut kwargs) = (Vec::new(), Config::new());
            let mut left = signature.names(inputs.len()).into_iter().zip(inputs).enumerate().peekable();
            for &argument in signature.arguments() {
                let mut own = Vec::new();
                let mut named = true;
                while let Some((i, (_, input))) = left.next_if(|(_, (name, _))| *name == argument.name()) {
                    named = i >= positional;
                    own.push(input);
                }
                let value = match argument {
                    Argument::Inputs("initial_state") => Value::Array(self.grouped(entry, own)),
                    Argument::Flag(name, default) if signature.is(name) != default => Value::Bool(!default),
                    Argument::Number(_) if signature.number() != 0 => signature.number().into(),
                    _ => one_or_all(own),
                };
                if value == json!([]) {
                    // What stands before one without a name.
                    if left.peek().is_some_and(|(i, _)| *i < positional) {
                        args.push(Value::Null);
                    }
                } else if named {
                    kwargs.insert(argument.name().into(), value);
                } else {
                    args.push(value);
                }
            }
            json!({"args": args, "kwargs": kwargs})
        };
        steps.map(|s| node(s.called.layer().signature(), s.inputs.iter().map(tensor).collect())).collect()
    }
}
