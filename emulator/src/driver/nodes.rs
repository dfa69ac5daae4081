//! Graphs as they are built: nodes with work and what each comes after.

use super::error::{Result, invalid, lock};
use super::handle::{Handles, Raw};
use super::timeline::Work;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its number, which no other node of the process has but its copies in clones of the graph.
    pub number: u64,
    /// Its handle.
    pub handle: usize,
    /// The handles of the nodes that it comes after.
    pub after: Vec<usize>,
    /// What it does.
    pub work: Arc<dyn Work>,
    /// The handle of the graph that a node of a child graph shows to callers; 0 for other nodes.
    pub child: usize,
}

/// A graph.
#[derive(Debug, Default)]
pub struct Graph {
    /// Its handle.
    pub handle: usize,
    /// Its nodes, in the order in which they were added.
    pub nodes: Mutex<Vec<Node>>,
}

static GRAPHS: Handles<Graph> = Handles::new("a graph");
/// The graph that a node belongs to, by the node's handle.
static NODES: Handles<Place> = Handles::new("a node of a graph");

/// Where a node is.
#[derive(Debug)]
pub struct Place {
    /// Its handle.
    pub handle: usize,
    /// Its graph.
    pub graph: Arc<Graph>,
}

/// A new graph.
pub fn create() -> Arc<Graph> {
    GRAPHS.add(|handle| Graph { handle, nodes: Mutex::default() }).1
}

/// The graph of a handle.
///
/// # Errors
/// An unknown handle.
pub fn get(graph: Raw) -> Result<Arc<Graph>> {
    GRAPHS.get(graph)
}

/// Where the node of a handle is.
///
/// # Errors
/// An unknown handle.
pub fn place(node: Raw) -> Result<Arc<Place>> {
    NODES.get(node)
}

/// Forgets a graph and its nodes.
///
/// # Errors
/// An unknown handle.
pub fn destroy(graph: Raw) -> Result {
    let graph = GRAPHS.remove(graph)?;
    let nodes = std::mem::take(&mut *lock(&graph.nodes));
    for node in nodes {
        let _ = NODES.remove(raw(node.handle));
        if node.child != 0 {
            let _ = destroy(raw(node.child));
        }
    }
    Ok(())
}

/// A handle's number as callers hold it.
pub fn raw(handle: usize) -> Raw {
    std::ptr::without_provenance_mut(handle)
}

/// The handles that a caller's array holds.
///
/// # Errors
/// A null pointer where there should be some.
///
/// # Safety
/// `from` is null or has `count` handles, where that many can be.
pub unsafe fn handles(from: *const Raw, count: usize) -> Result<Vec<usize>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if from.is_null() || count > isize::MAX as usize / size_of::<Raw>() {
        return invalid(format!("{count} nodes at {from:p}"));
    }
    // SAFETY: not null, and the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(from, count) }.iter().map(|h| h.addr()).collect())
}

/// Work that does nothing: a node that others come after.
#[derive(Debug)]
pub struct Empty;

impl Work for Empty {
    fn run(&self) -> Result {
        Ok(())
    }

    fn kind(&self) -> u32 {
        5
    }
}

impl Place {
    /// A copy of the node.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` where it is gone.
    pub fn node(&self) -> Result<Node> {
        let nodes = lock(&self.graph.nodes);
        nodes.iter().find(|n| n.handle == self.handle).cloned().map_or_else(|| invalid("the node is gone"), Ok)
    }

    /// Replaces what the node does.
    ///
    /// # Errors
    /// As [`Place::node`].
    pub fn set(&self, work: Arc<dyn Work>) -> Result {
        let mut nodes = lock(&self.graph.nodes);
        match nodes.iter_mut().find(|n| n.handle == self.handle) {
            Some(node) => node.work = work,
            None => return invalid("the node is gone"),
        }
        Ok(())
    }
}

impl Graph {
    /// Adds a node that comes after others; gives its handle.
    ///
    /// # Errors
    /// A node of another graph among those.
    pub fn add(self: &Arc<Graph>, work: Arc<dyn Work>, after: &[usize], child: usize) -> Result<usize> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut nodes = lock(&self.nodes);
        let mut known = Vec::with_capacity(after.len());
        for &one in after {
            if !nodes.iter().rev().any(|n| n.handle == one) {
                return invalid("a node that is to come first belongs to another graph");
            }
            if !known.contains(&one) {
                known.push(one);
            }
        }
        let (_, place) = NODES.add(|handle| Place { handle, graph: self.clone() });
        let (number, handle) = (NEXT.fetch_add(1, Relaxed), place.handle);
        nodes.push(Node { number, handle, after: known, work, child });
        Ok(handle)
    }

    /// A graph with the same nodes.
    ///
    /// # Errors
    /// A graph that is damaged.
    pub fn duplicate(&self) -> Result<Arc<Graph>> {
        let copy = create();
        let nodes = lock(&self.nodes).clone();
        let mut handles = HashMap::new();
        let mut copies = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let (_, place) = NODES.add(|handle| Place { handle, graph: copy.clone() });
            handles.insert(node.handle, place.handle);
            let child = if node.child == 0 { 0 } else { get(raw(node.child))?.duplicate()?.handle };
            copies.push(Node { handle: place.handle, child, ..node.clone() });
        }
        for node in &mut copies {
            node.after = node.after.iter().filter_map(|h| handles.get(h).copied()).collect();
        }
        *lock(&copy.nodes) = copies;
        Ok(copy)
    }

    /// The nodes in an order in which each stands behind those that it comes after; the order in which they were added,
    /// where that is one.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` for a graph that runs in a circle.
    pub fn sorted(&self) -> Result<Vec<Node>> {
        let mut left = lock(&self.nodes).clone();
        let mut done = HashSet::with_capacity(left.len());
        let mut sorted = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let before = left.len();
            left.retain(|node| {
                let ready = node.after.iter().all(|h| done.contains(h));
                if ready {
                    done.insert(node.handle);
                    sorted.push(node.clone());
                }
                !ready
            });
            if left.len() == before {
                return invalid("the graph's nodes run in a circle");
            }
        }
        Ok(sorted)
    }

    /// The nodes that the nodes `last` come after, directly or not, those included.
    pub fn before(&self, last: &[usize]) -> HashSet<usize> {
        let nodes = lock(&self.nodes);
        let by_handle: HashMap<usize, &Node> = nodes.iter().map(|n| (n.handle, n)).collect();
        let (mut open, mut found) = (last.to_vec(), HashSet::new());
        while let Some(handle) = open.pop() {
            if let Some(node) = by_handle.get(&handle)
                && found.insert(handle)
            {
                open.extend(&node.after);
            }
        }
        found
    }

    /// Takes a node out of the graph.
    ///
    /// # Errors
    /// An unknown handle.
    pub fn remove(&self, node: Raw) -> Result {
        NODES.remove(node)?;
        let mut nodes = lock(&self.nodes);
        nodes.retain(|n| n.handle != node.addr());
        nodes.iter_mut().for_each(|n| n.after.retain(|&h| h != node.addr()));
        Ok(())
    }
}
