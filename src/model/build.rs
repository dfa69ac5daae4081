//! A graph from the symbols that calls grew.

use super::graph::{Entry, Graph, Step};
use crate::error::{Error, Result};
use crate::layers::{CallNode, LayerRef, Source, Spec, Symbol, WeightSpec};
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Graph {
    /// The graph between these symbols.
    ///
    /// # Errors
    /// An output that does not depend on the inputs alone, an input that no output depends on, two layers of one name.
    pub fn new(inputs: &[Symbol], outputs: &[Symbol]) -> Result<Graph> {
        if inputs.is_empty() || outputs.is_empty() {
            return Err(Error::Config("a model needs at least one input and one output".into()));
        }
        let mut builder =
            Builder { names: Names::default(), places: HashMap::new(), layers: HashMap::new(), graph: Graph::empty() };
        let calls = in_order(outputs);
        builder.names.reserve(inputs, &calls)?;
        for symbol in inputs {
            let Source::Input(name) = symbol.source() else {
                return Err(Error::Config("a model's inputs must be made by Input::new".into()));
            };
            symbol.check()?;
            let name = match name {
                Some(name) => name.clone(),
                None => builder.names.unique("input_layer"),
            };
            if let Some(place) = builder.places.insert((symbol.id(), 0), builder.graph.values) {
                return Err(Error::Config(format!("input `{}` is given twice", builder.graph.inputs[place].0)));
            }
            builder.graph.inputs.push((name, symbol.spec().clone()));
            builder.graph.values += 1;
        }
        for call in &calls {
            builder.add(call)?;
        }
        for symbol in outputs {
            let place = builder.place(symbol)?;
            builder.graph.outputs.push(place);
        }
        builder.finish(inputs)
    }

    fn empty() -> Graph {
        Graph { inputs: vec![], outputs: vec![], layers: vec![], steps: vec![], weights: vec![], values: 0 }
    }
}

/// Gives names as Keras does: the class in snake case, then `_1`, `_2`, …, past the names that the user gave.
#[derive(Default)]
struct Names {
    counts: HashMap<String, usize>,
    given: HashSet<String>,
}

impl Names {
    /// Takes the names that the user gave.
    fn reserve(&mut self, inputs: &[Symbol], calls: &[Arc<CallNode>]) -> Result<()> {
        let mut seen = HashSet::new();
        let inputs = inputs.iter().filter(|s| seen.insert(s.id())).filter_map(|s| match s.source() {
            Source::Input(name) => name.as_deref(),
            Source::Call(..) => None,
        });
        let mut seen = HashSet::new();
        let layers = calls.iter().filter(|c| seen.insert(c.layer.id())).filter_map(|c| c.layer.given_name());
        for name in inputs.chain(layers) {
            if !self.given.insert(name.to_string()) {
                return Err(Error::Config(format!("two layers are named `{name}`; names in a model must differ")));
            }
        }
        Ok(())
    }

    fn unique(&mut self, base: &str) -> String {
        let count = self.counts.entry(base.to_string()).or_insert(0);
        loop {
            let name = if *count == 0 { base.to_string() } else { format!("{base}_{count}") };
            *count += 1;
            if !self.given.contains(&name) {
                return name;
            }
        }
    }
}

struct Builder {
    names: Names,
    /// The place of an input (its identity, 0) or of a call's output (the call's identity, output + 1).
    places: HashMap<(usize, usize), usize>,
    layers: HashMap<usize, usize>,
    graph: Graph,
}

impl Builder {
    fn place(&self, symbol: &Symbol) -> Result<usize> {
        let key = match symbol.source() {
            Source::Input(_) => (symbol.id(), 0),
            Source::Call(call, output) => (Arc::as_ptr(call) as usize, output + 1),
        };
        self.places.get(&key).copied().ok_or_else(|| {
            let message =
                format!("the outputs depend on an input of shape {} that is not among the model's", symbol.spec());
            Error::Config(message)
        })
    }

    fn add(&mut self, call: &Arc<CallNode>) -> Result<()> {
        let layer = match self.layers.get(&call.layer.id()) {
            Some(&layer) => layer,
            None => self.add_layer(&call.layer, call.inputs.iter().map(|s| s.spec().clone()).collect())?,
        };
        let inputs = call.inputs.iter().map(|s| self.place(s)).collect::<Result<_>>()?;
        let first = self.graph.values;
        for output in 0..call.outputs.len() {
            self.places.insert((Arc::as_ptr(call) as usize, output + 1), first + output);
        }
        self.graph.values += call.outputs.len();
        self.graph.steps.push(Step {
            layer,
            called: call.layer.clone(),
            inputs,
            outputs: first..self.graph.values,
            specs: call.outputs.clone(),
            last_uses: SmallVec::new(),
            output: None,
        });
        Ok(())
    }

    fn add_layer(&mut self, layer: &LayerRef, inputs: Vec<Spec>) -> Result<usize> {
        let name = match layer.given_name() {
            Some(name) => name.to_string(),
            None => self.names.unique(&layer.base_name()),
        };
        let weights = layer.layer().weights(&inputs).map_err(|e| e.in_layer(&name))?;
        let first = self.graph.weights.len();
        for weight in weights {
            let path = format!("{name}/{}", weight.name);
            let trainable = weight.trainable && layer.is_trainable();
            self.graph.weights.push((path, WeightSpec { trainable, ..weight }));
        }
        let entry = Entry { layer: layer.clone(), name, weights: first..self.graph.weights.len(), inputs };
        self.graph.layers.push(entry);
        self.layers.insert(layer.id(), self.graph.layers.len() - 1);
        Ok(self.graph.layers.len() - 1)
    }

    fn finish(self, inputs: &[Symbol]) -> Result<Graph> {
        let mut graph = self.graph;
        let mut used: HashSet<usize> = graph.outputs.iter().copied().collect();
        for at in (0..graph.steps.len()).rev() {
            let fresh: SmallVec<[usize; 2]> =
                graph.steps[at].inputs.iter().copied().filter(|&i| used.insert(i)).collect();
            graph.steps[at].last_uses = fresh;
        }
        if let Some(unused) = (0..inputs.len()).find(|i| !used.contains(i)) {
            return Err(Error::Config(format!("no output depends on input `{}`", graph.inputs[unused].0)));
        }
        for at in 0..graph.steps.len() {
            let range = graph.steps[at].outputs.clone();
            let made = graph.outputs.iter().position(|o| range.contains(o));
            let read = |o: usize| graph.steps.iter().any(|s| s.inputs.contains(&graph.outputs[o]));
            let twice = |o: usize| graph.outputs.iter().filter(|v| **v == graph.outputs[o]).count() > 1;
            graph.steps[at].output = made.filter(|&o| !read(o) && !twice(o));
        }
        Ok(graph)
    }
}

/// The calls that the outputs depend on, each after those it depends on; depth first, without recursion.
fn in_order(outputs: &[Symbol]) -> Vec<Arc<CallNode>> {
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    for output in outputs {
        let mut open = vec![(output.clone(), false)];
        while let Some((symbol, ready)) = open.pop() {
            let Source::Call(call, _) = symbol.source() else { continue };
            let id = Arc::as_ptr(call) as usize;
            if ready {
                order.push(call.clone());
            } else if seen.insert(id) {
                let call = call.clone();
                open.push((symbol, true));
                open.extend(call.inputs.iter().rev().map(|s| (s.clone(), false)));
            }
        }
    }
    order
}
