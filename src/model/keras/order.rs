//! The order of a functional model's layers: that of `model.layers`, of config.json and of the weights file.

use crate::model::Graph;
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

/// The inputs and layers of a graph in Keras's order: by depth, the longest path to an output, deepest first, and
/// within a depth as a depth-first walk from the outputs meets them. A layer that is called several times counts with
/// its deepest call, and so do then its calls that come earlier in the walk.
pub(super) fn members(graph: &Graph) -> Vec<Member> {
    let inputs = graph.inputs.len();
    let mut made_by: Vec<usize> = (0..inputs).collect();
    for (i, step) in graph.steps.iter().enumerate() {
        made_by.extend(step.outputs.clone().map(|_| inputs + i));
    }
    let member = |node: usize| match node.checked_sub(inputs) {
        None => node,
        Some(step) => inputs + graph.steps[step].layer,
    };
    let parents = |node: usize| match node.checked_sub(inputs) {
        None => &[][..],
        Some(step) => &graph.steps[step].inputs[..],
    };

    let count = inputs + graph.layers.len();
    let mut met = vec![usize::MAX; count];
    let mut meetings = 0;
    let mut walked = Vec::new();
    let mut seen = vec![false; inputs + graph.steps.len()];
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
            open.extend(parents(node).iter().rev().map(|&value| (made_by[value], false)));
        }
    }

    let mut node_depths = vec![0; seen.len()];
    let mut depths = vec![0; count];
    for &node in walked.iter().rev() {
        let depth = node_depths[node].max(depths[member(node)]);
        depths[member(node)] = depth;
        for &value in parents(node) {
            let parent = &mut node_depths[made_by[value]];
            *parent = (*parent).max(depth + 1);
        }
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&m| (Reverse(depths[m]), met[m]));
    let place = |m: usize| m.checked_sub(inputs).map_or(Member::Input(m), Member::Layer);
    order.into_iter().map(place).collect()
}
