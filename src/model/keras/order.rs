//! The order of a functional model's layers: that of `model.layers`, of config.json and of the weights file.

use crate::layers::{LayerRef, Mask};
use crate::model::Graph;
use smallvec::SmallVec;
use std::cmp::Reverse;

/// An input or a layer of a graph, as a place in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Input(usize),
    Layer(usize),
}

impl Member {
    pub fn name(self, graph: &Graph) -> &str {
        match self {
            Member::Input(i) => &graph.inputs[i].0,
            Member::Layer(l) => &graph.layers[l].name,
        }
    }
}

/// A node of the graph as Keras sees it: what it reads, as nodes.
type Parents = SmallVec<[usize; 3]>;

/// The nodes of a graph, and what each reads: its inputs, its calls, and behind them the ops by which Keras computes masks, which
/// are nodes of its graph where a layer takes one as an argument.
fn nodes(graph: &Graph) -> Vec<Parents> {
    let inputs = graph.inputs.len();
    let mut made_by: Vec<usize> = (0..inputs).collect();
    let mut nodes: Vec<Parents> = vec![Parents::new(); inputs];
    for (i, step) in graph.steps.iter().enumerate() {
        let signature = step.called.layer().signature();
        let order = signature.by_name(step.inputs.len());
        nodes.push(order.into_iter().map(|at| made_by[step.inputs[at]]).collect());
        made_by.extend(step.outputs.clone().map(|_| inputs + i));
    }
    // The node of each value's mask.
    let mut masks: Vec<Option<usize>> = vec![None; inputs];
    for (i, step) in graph.steps.iter().enumerate() {
        let layer = &step.called;
        let read: SmallVec<[Option<usize>; 2]> = step.inputs.iter().map(|&value| masks[value]).collect();
        if let ([Some(mask)], true) = (&read[..], takes_mask(layer)) {
            nodes[inputs + i].push(*mask);
        }
        let from: Parents = step.inputs.iter().map(|&value| made_by[value]).collect();
        let made = (0..step.outputs.len()).map(|output| mask_of(layer, output, &read, &from, &mut nodes));
        masks.extend(made);
    }
    nodes
}

/// Whether Keras's class takes a mask as an argument of its call.
fn takes_mask(layer: &LayerRef) -> bool {
    let classes = [
        "BatchNormalization",
        "Bidirectional",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "ConvLSTM3D",
        "Functional",
        "GRU",
        "GlobalAveragePooling1D",
        "LSTM",
        "Lambda",
        "RNN",
        "Sequential",
        "SimpleRNN",
        "Softmax",
        "TimeDistributed",
    ];
    classes.contains(&layer.layer().class_name())
}

/// The node of an output's mask, after the ops that Keras makes for it; `read` are those of the inputs, which `from` makes.
fn mask_of(
    layer: &LayerRef,
    output: usize,
    read: &[Option<usize>],
    from: &[usize],
    nodes: &mut Vec<Parents>,
) -> Option<usize> {
    let masked: SmallVec<[bool; 4]> = read.iter().map(Option::is_some).collect();
    if !layer.gives_mask(output, &masked) {
        return None;
    }
    let mut op = |reads: &[usize]| {
        nodes.push(reads.iter().copied().collect());
        nodes.len() - 1
    };
    let class = layer.layer().class_name();
    if let Mask::Of(input) = layer.layer().compute_mask(output, &masked) {
        let mask = read.get(input).copied().flatten()?;
        // These convert what they hand on.
        return Some(if matches!(class, "AdditiveAttention" | "Attention") { op(&[mask]) } else { mask });
    }
    match class {
        "Embedding" => Some(op(from)),
        "Masking" => {
            let other = op(from);
            Some(op(&[other]))
        }
        "Concatenate" => {
            let whole: Parents = read
                .iter()
                .zip(from)
                .map(|(mask, &x)| {
                    let like = op(&[x]);
                    mask.map_or(like, |mask| {
                        let wider = op(&[mask]);
                        op(&[wider, like])
                    })
                })
                .collect();
            let joined = op(&whole);
            Some(op(&[joined]))
        }
        "Add" | "Average" | "Maximum" | "Minimum" | "Multiply" | "Subtract" => {
            read.iter().copied().flatten().reduce(|a, b| op(&[a, b]))
        }
        // Keras knows of no mask behind a model before there is data.
        _ => None,
    }
}

/// The inputs and layers of a graph in Keras's order: by depth, the longest path to an output, deepest first, and
/// within a depth as a depth-first walk from the outputs meets them. A layer that is called several times counts with
/// its deepest call, and so do then its calls that come earlier in the walk.
pub(super) fn members(graph: &Graph) -> Vec<Member> {
    let inputs = graph.inputs.len();
    let calls = inputs + graph.steps.len();
    let nodes = nodes(graph);
    let mut made_by: Vec<usize> = (0..inputs).collect();
    for (i, step) in graph.steps.iter().enumerate() {
        made_by.extend(step.outputs.clone().map(|_| inputs + i));
    }
    let real = inputs + graph.layers.len();
    let member = |node: usize| match node {
        input if input < inputs => input,
        op if op >= calls => real + op - calls,
        call => inputs + graph.steps[call - inputs].layer,
    };

    let count = real + nodes.len() - calls;
    let mut met = vec![usize::MAX; count];
    let mut meetings = 0;
    let mut walked = Vec::new();
    let mut seen = vec![false; nodes.len()];
    for &output in &graph.outputs {
        let mut open = vec![(made_by[output], false)];
        while let Some((node, done)) = open.pop() {
            if done {
                walked.push(node);
                continue;
            }
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            let met = &mut met[member(node)];
            if *met == usize::MAX {
                *met = meetings;
                meetings += 1;
            }
            open.push((node, true));
            open.extend(nodes[node].iter().rev().map(|&parent| (parent, false)));
        }
    }

    let mut node_depths = vec![0; seen.len()];
    let mut depths = vec![0; count];
    for &node in walked.iter().rev() {
        let depth = node_depths[node].max(depths[member(node)]);
        depths[member(node)] = depth;
        for &parent in &nodes[node] {
            node_depths[parent] = node_depths[parent].max(depth + 1);
        }
    }
    let mut order: Vec<usize> = (0..real).collect();
    order.sort_by_key(|&m| (Reverse(depths[m]), met[m]));
    let place = |m: usize| m.checked_sub(inputs).map_or(Member::Input(m), Member::Layer);
    order.into_iter().map(place).collect()
}
