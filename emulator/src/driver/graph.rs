//! Graphs: building them, and what they say of themselves.

use super::context;
use super::error::{Result, invalid, lock, put, read};
use super::event::{self, Await, Record};
use super::executable::{child_work, of_type};
use super::fill::Fill;
use super::handle::Raw;
use super::launch::{Launch, NodeParams};
use super::memory::GiveBack;
use super::nodes::{self, Empty, handles};
use super::params::{FillParams, HostParams, TakeParams};
use super::stream::Host;
use super::timeline::Work;
use super::transfer::Copy3D;
use super::{device, memory, pool};
use std::ffi::{c_int, c_void};
use std::sync::Arc;

pub unsafe fn create(graph: *mut Raw, flags: u32) -> Result {
    device::initialized()?;
    if flags != 0 {
        return invalid("cuGraphCreate takes no flags");
    }
    // SAFETY: the caller's promise.
    unsafe { put(graph, nodes::raw(nodes::create().handle)) }
}

pub unsafe fn destroy(graph: Raw) -> Result {
    nodes::destroy(graph)
}

pub unsafe fn duplicate(copy: *mut Raw, graph: Raw) -> Result {
    let made = nodes::get(graph)?.duplicate()?;
    // SAFETY: the caller's promise.
    unsafe { put(copy, nodes::raw(made.handle)) }
}

pub unsafe fn find_in_clone(node: *mut Raw, original: Raw, copy: Raw) -> Result {
    let number = nodes::place(original)?.node()?.number;
    let graph = nodes::get(copy)?;
    let found = lock(&graph.nodes).iter().find(|n| n.number == number).map(|n| n.handle);
    let Some(found) = found else { return invalid("the clone has no such node") };
    // SAFETY: the caller's promise.
    unsafe { put(node, nodes::raw(found)) }
}

/// Adds a node.
unsafe fn add(
    node: *mut Raw,
    graph: Raw,
    after: *const Raw,
    count: usize,
    work: Arc<dyn Work>,
    child: usize,
) -> Result {
    // SAFETY: the caller's promise.
    unsafe {
        let handle = nodes::get(graph)?.add(work, &handles(after, count)?, child)?;
        put(node, nodes::raw(handle))
    }
}

pub unsafe fn add_kernel(
    node: *mut Raw,
    graph: Raw,
    after: *const Raw,
    count: usize,
    params: *const NodeParams,
) -> Result {
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, Arc::new(read(params)?.launch()?), 0) }
}

pub unsafe fn add_copy(
    node: *mut Raw,
    graph: Raw,
    after: *const Raw,
    count: usize,
    params: *const Copy3D,
    _context: Raw,
) -> Result {
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, Arc::new(read(params)?.copy()?), 0) }
}

pub unsafe fn add_fill(
    node: *mut Raw,
    graph: Raw,
    after: *const Raw,
    count: usize,
    params: *const FillParams,
    _context: Raw,
) -> Result {
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, Arc::new(read(params)?.fill()?), 0) }
}

pub unsafe fn add_host(
    node: *mut Raw,
    graph: Raw,
    after: *const Raw,
    count: usize,
    params: *const HostParams,
) -> Result {
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, Arc::new(read(params)?.host()?), 0) }
}

pub unsafe fn add_empty(node: *mut Raw, graph: Raw, after: *const Raw, count: usize) -> Result {
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, Arc::new(Empty), 0) }
}

pub unsafe fn add_child(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, child: Raw) -> Result {
    let copy = nodes::get(child)?.duplicate()?;
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, child_work(copy.handle)?, copy.handle) }
}

pub unsafe fn child_graph(node: Raw, graph: *mut Raw) -> Result {
    let child = nodes::place(node)?.node()?.child;
    if child == 0 {
        return invalid("the node has no child graph");
    }
    // SAFETY: the caller's promise.
    unsafe { put(graph, nodes::raw(child)) }
}

pub unsafe fn add_record(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, event: Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, Arc::new(Record(event::get(event)?)), 0) }
}

pub unsafe fn add_await(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, event: Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, Arc::new(Await(event::get(event)?)), 0) }
}

pub unsafe fn add_take(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, params: *mut TakeParams) -> Result {
    // SAFETY: the caller's promise.
    unsafe {
        let given = read(params)?;
        let context = context::current()?;
        let pool = pool::of_device(device::get(given.pool[3] as c_int)?).0;
        let take = memory::in_graph(&context, given.bytes, &pool)?;
        (*params).address = take.address;
        add(node, graph, after, count, take, 0)
    }
}

pub unsafe fn add_give_back(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, address: u64) -> Result {
    // SAFETY: the caller's promise.
    unsafe { add(node, graph, after, count, Arc::new(GiveBack(address)), 0) }
}

pub unsafe fn node_type(node: Raw, kind: *mut u32) -> Result {
    let node = nodes::place(node)?.node()?;
    // SAFETY: the caller's promise.
    unsafe { put(kind, node.work.kind()) }
}

/// Answers a list: all of it where there is room, its length where the list is null.
unsafe fn answer(list: &[usize], to: *mut Raw, count: *mut usize) -> Result {
    if count.is_null() {
        return invalid("a null pointer for the number of nodes");
    }
    // SAFETY: not null, and the caller promises as much room as it says.
    unsafe {
        if !to.is_null() {
            let room = count.read();
            for i in 0..room {
                to.add(i).write(list.get(i).map_or(std::ptr::null_mut(), |&h| nodes::raw(h)));
            }
            return put(count, list.len().min(room));
        }
        put(count, list.len())
    }
}

pub unsafe fn get_nodes(graph: Raw, to: *mut Raw, count: *mut usize) -> Result {
    let graph = nodes::get(graph)?;
    let list: Vec<usize> = lock(&graph.nodes).iter().map(|n| n.handle).collect();
    // SAFETY: the caller's promise.
    unsafe { answer(&list, to, count) }
}

pub unsafe fn get_root_nodes(graph: Raw, to: *mut Raw, count: *mut usize) -> Result {
    let graph = nodes::get(graph)?;
    let list: Vec<usize> = lock(&graph.nodes).iter().filter(|n| n.after.is_empty()).map(|n| n.handle).collect();
    // SAFETY: the caller's promise.
    unsafe { answer(&list, to, count) }
}

pub unsafe fn get_edges(graph: Raw, from: *mut Raw, to: *mut Raw, _data: Raw, count: *mut usize) -> Result {
    let graph = nodes::get(graph)?;
    let edges: (Vec<usize>, Vec<usize>) =
        lock(&graph.nodes).iter().flat_map(|n| n.after.iter().map(|&a| (a, n.handle))).unzip();
    // SAFETY: the caller's promise: both lists have the room that the count says.
    unsafe {
        let mut room = if count.is_null() { 0 } else { count.read() };
        if from.is_null() != to.is_null() {
            return invalid("a null pointer for one end of the edges");
        }
        answer(&edges.0, from, &raw mut room)?;
        answer(&edges.1, to, count)
    }
}

pub unsafe fn get_dependencies(node: Raw, to: *mut Raw, _data: Raw, count: *mut usize) -> Result {
    let node = nodes::place(node)?.node()?;
    // SAFETY: the caller's promise.
    unsafe { answer(&node.after, to, count) }
}

pub unsafe fn get_dependents(node: Raw, to: *mut Raw, _data: Raw, count: *mut usize) -> Result {
    let place = nodes::place(node)?;
    let list: Vec<usize> =
        lock(&place.graph.nodes).iter().filter(|n| n.after.contains(&place.handle)).map(|n| n.handle).collect();
    // SAFETY: the caller's promise.
    unsafe { answer(&list, to, count) }
}

pub unsafe fn add_dependencies(graph: Raw, from: *const Raw, to: *const Raw, _data: Raw, count: usize) -> Result {
    let graph = nodes::get(graph)?;
    // SAFETY: the caller's promise.
    let (from, to) = unsafe { (handles(from, count)?, handles(to, count)?) };
    let mut all = lock(&graph.nodes);
    for (from, to) in from.into_iter().zip(to) {
        let known = all.iter().any(|n| n.handle == from);
        let Some(node) = all.iter_mut().find(|n| n.handle == to && known) else { return invalid("an unknown node") };
        if node.after.contains(&from) {
            return invalid("the dependency is there already");
        }
        node.after.push(from);
    }
    Ok(())
}

pub unsafe fn remove_dependencies(graph: Raw, from: *const Raw, to: *const Raw, _data: Raw, count: usize) -> Result {
    let graph = nodes::get(graph)?;
    // SAFETY: the caller's promise.
    let (from, to) = unsafe { (handles(from, count)?, handles(to, count)?) };
    let mut all = lock(&graph.nodes);
    for (from, to) in from.into_iter().zip(to) {
        let node = all.iter_mut().find(|n| n.handle == to && n.after.contains(&from));
        let Some(node) = node else { return invalid("there is no such dependency") };
        node.after.retain(|&h| h != from);
    }
    Ok(())
}

pub unsafe fn destroy_node(node: Raw) -> Result {
    nodes::place(node)?.graph.remove(node)
}

thread_local! {
    /// The pointers to parameters that `cuGraphKernelNodeGetParams` gave last.
    static POINTERS: std::cell::RefCell<Vec<*const c_void>> = const { std::cell::RefCell::new(Vec::new()) };
}

pub unsafe fn kernel_params(node: Raw, params: *mut NodeParams) -> Result {
    let node = nodes::place(node)?.node()?;
    let Some(launch) = of_type::<Launch>(&node.work) else { return invalid("the node is no kernel") };
    let start = launch.params.as_ptr();
    let places = launch.function.kernel.params.iter().map(|p| start.wrapping_add(p.offset).cast());
    POINTERS.set(places.collect());
    // SAFETY: the caller's promise; the parameters live as long as the node keeps them.
    POINTERS.with_borrow(|pointers| unsafe { put(params, NodeParams::of(launch, pointers)) })
}

pub unsafe fn set_kernel_params(node: Raw, params: *const NodeParams) -> Result {
    // SAFETY: the caller's promise.
    unsafe { set(node, 0, Arc::new(read(params)?.launch()?)) }
}

pub unsafe fn set_copy_params(node: Raw, params: *const Copy3D) -> Result {
    // SAFETY: the caller's promise.
    unsafe { set(node, 1, Arc::new(read(params)?.copy()?)) }
}

pub unsafe fn fill_params(node: Raw, params: *mut FillParams) -> Result {
    let node = nodes::place(node)?.node()?;
    let Some(fill) = of_type::<Fill>(&node.work) else { return invalid("the node is no fill") };
    let &Fill { to, pitch, value, element, width, height } = fill;
    // SAFETY: the caller's promise.
    unsafe { put(params, FillParams { to, pitch, value, element: element as u32, width, height }) }
}

pub unsafe fn set_fill_params(node: Raw, params: *const FillParams) -> Result {
    // SAFETY: the caller's promise.
    unsafe { set(node, 2, Arc::new(read(params)?.fill()?)) }
}

pub unsafe fn host_params(node: Raw, params: *mut HostParams) -> Result {
    let node = nodes::place(node)?.node()?;
    let Some(host) = of_type::<Host>(&node.work) else { return invalid("the node is no host function") };
    // SAFETY: the caller's promise.
    unsafe { put(params, HostParams { function: Some(host.function), data: host.data }) }
}

pub unsafe fn set_host_params(node: Raw, params: *const HostParams) -> Result {
    // SAFETY: the caller's promise.
    unsafe { set(node, 3, Arc::new(read(params)?.host()?)) }
}

pub unsafe fn get_event(node: Raw, event: *mut Raw) -> Result {
    let node = nodes::place(node)?.node()?;
    let found = of_type::<Record>(&node.work).map(|r| &r.0).or_else(|| of_type::<Await>(&node.work).map(|a| &a.0));
    let Some(found) = found else { return invalid("the node has no event") };
    // SAFETY: the caller's promise.
    unsafe { put(event, nodes::raw(found.handle)) }
}

pub unsafe fn set_record_event(node: Raw, event: Raw) -> Result {
    set(node, 7, Arc::new(Record(event::get(event)?)))
}

pub unsafe fn set_await_event(node: Raw, event: Raw) -> Result {
    set(node, 6, Arc::new(Await(event::get(event)?)))
}

fn set(node: Raw, kind: u32, work: Arc<dyn Work>) -> Result {
    let place = nodes::place(node)?;
    if place.node()?.work.kind() != kind {
        return invalid("the node is of another kind");
    }
    place.set(work)
}
