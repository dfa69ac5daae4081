//! Executable graphs: making them, launching them, updating them.

use super::capture;
use super::context::Context;
use super::error::{Code, Error, Result, invalid, lock, put, read};
use super::event::{self, Await, Record};
use super::handle::{Handles, Raw};
use super::launch::NodeParams;
use super::memory::{self, GiveBack, Take};
use super::nodes::{self, Graph, Node};
use super::params::{FillParams, HostParams};
use super::stream::{self, Stream};
use super::timeline::{self, Owner, Work};
use super::transfer::Copy3D;
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// `CU_GRAPH_NODE_TYPE_GRAPH`.
const CHILD: u32 = 4;
/// `CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH`.
const AUTO_FREE: u64 = 1;

/// A graph that can be launched.
#[derive(Debug)]
pub struct Executable {
    flags: u64,
    nodes: Mutex<Vec<Step>>,
}

#[derive(Clone, Debug)]
struct Step {
    /// The number of the graph's node.
    node: u64,
    kind: u32,
    /// The numbers of the nodes that it comes after.
    after: Vec<u64>,
    work: Arc<dyn Work>,
    enabled: bool,
}

static EXECUTABLES: Handles<Executable> = Handles::new("an executable graph");

/// The nodes of a child graph, in their order.
#[derive(Debug)]
struct Child(Vec<Arc<dyn Work>>);

impl Work for Child {
    fn run(&self) -> Result {
        self.0.iter().try_for_each(|work| work.run())
    }

    fn kind(&self) -> u32 {
        CHILD
    }
}

/// The work that a graph does at its launch, those of its children among it.
fn flat(works: &[Arc<dyn Work>], to: &mut Vec<Arc<dyn Work>>) {
    for work in works {
        match (&**work as &dyn Any).downcast_ref::<Child>() {
            Some(Child(inner)) => flat(inner, to),
            None => to.push(work.clone()),
        }
    }
}

/// Work as what it is, if it is a `T`.
pub fn of_type<T: Work>(work: &Arc<dyn Work>) -> Option<&T> {
    (&**work as &dyn Any).downcast_ref()
}

fn steps(graph: &Graph) -> Result<Vec<Step>> {
    let sorted = graph.sorted()?;
    let numbers: HashMap<usize, u64> = sorted.iter().map(|n| (n.handle, n.number)).collect();
    let step = |node: &Node| {
        // A child may have been changed since it was added.
        let work = if node.child == 0 { node.work.clone() } else { child_work(node.child)? };
        let after = node.after.iter().filter_map(|h| numbers.get(h).copied()).collect();
        Ok(Step { node: node.number, kind: work.kind(), after, work, enabled: true })
    };
    sorted.iter().map(step).collect()
}

/// The work of a node with a child graph.
///
/// # Errors
/// As [`Graph::sorted`].
pub fn child_work(child: usize) -> Result<Arc<dyn Work>> {
    let graph = nodes::get(nodes::raw(child))?;
    Ok(Arc::new(Child(steps(&graph)?.into_iter().map(|step| step.work).collect())))
}

fn instantiated(graph: Raw, flags: u64) -> Result<Raw> {
    capture::refuse_unsafe("cuGraphInstantiate")?;
    if flags & 4 != 0 {
        return Err(Error::new(Code::NOT_SUPPORTED, "graphs that are launched by the device"));
    }
    let nodes = Mutex::new(steps(&*nodes::get(graph)?)?);
    Ok(EXECUTABLES.add(|_| Executable { flags, nodes }).0)
}

pub unsafe fn instantiate(executable: *mut Raw, graph: Raw, flags: u64) -> Result {
    // SAFETY: the caller's promise.
    unsafe { put(executable, instantiated(graph, flags)?) }
}

/// The call before CUDA 12: an error's node, and a text.
pub unsafe fn instantiate_v2(
    executable: *mut Raw,
    graph: Raw,
    node: *mut Raw,
    log: *mut std::ffi::c_char,
    room: usize,
) -> Result {
    // SAFETY: the caller's promise.
    unsafe {
        if !node.is_null() {
            put(node, std::ptr::null_mut())?;
        }
        if !log.is_null() && room > 0 {
            put(log, 0)?;
        }
        put(executable, instantiated(graph, 0)?)
    }
}

/// `CUDA_GRAPH_INSTANTIATE_PARAMS`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct InstantiateParams {
    flags: u64,
    stream: Raw,
    node: Raw,
    result: u32,
}

pub unsafe fn instantiate_with(executable: *mut Raw, graph: Raw, params: *mut InstantiateParams) -> Result {
    // SAFETY: the caller's promise.
    unsafe {
        let given = read(params)?;
        let made = instantiated(graph, given.flags);
        let result = if made.is_ok() { 0 } else { 1 };
        put(params, InstantiateParams { result, node: std::ptr::null_mut(), ..given })?;
        put(executable, made?)
    }
}

pub unsafe fn get_flags(executable: Raw, flags: *mut u64) -> Result {
    // SAFETY: the caller's promise.
    unsafe { put(flags, EXECUTABLES.get(executable)?.flags) }
}

pub unsafe fn destroy_executable(executable: Raw) -> Result {
    EXECUTABLES.remove(executable).map(|_| ())
}

/// There is nothing to bring to the device.
pub unsafe fn upload(executable: Raw, stream: Raw) -> Result {
    EXECUTABLES.get(executable)?;
    capture::refuse_in_stream(stream::get(stream)?.queue, "cuGraphUpload to a stream")
}

pub unsafe fn launch(executable: Raw, stream: Raw) -> Result {
    let (executable, stream) = (EXECUTABLES.get(executable)?, stream::get(stream)?);
    let steps = lock(&executable.nodes).clone();
    let enabled: Vec<Arc<dyn Work>> = steps.iter().filter(|s| s.enabled).map(|s| s.work.clone()).collect();
    if capture::is_capturing(stream.queue) {
        return capture_launch(&stream, &steps, enabled);
    }
    capture::check_legacy(stream.queue)?;
    let mut works = Vec::with_capacity(enabled.len());
    flat(&enabled, &mut works);
    if works.iter().any(|work| of_type::<Take>(work).is_some()) {
        again(&executable, &works)?;
    }
    let waits: Vec<u64> = works.iter().filter_map(|work| of_type::<Await>(work)?.0.task()).collect();
    let records: Vec<Arc<event::Event>> =
        works.iter().filter_map(|work| Some(of_type::<Record>(work)?.0.clone())).collect();
    let task = timeline::push(stream.queue, &owner(&stream.context), &waits, works);
    records.iter().for_each(|event| event.set_task(task));
    Ok(())
}

fn owner(context: &Arc<Context>) -> Arc<dyn Owner> {
    context.clone()
}

/// A launch inside a capture is a node with the executable graph's nodes as a child.
fn capture_launch(stream: &Stream, steps: &[Step], enabled: Vec<Arc<dyn Work>>) -> Result {
    let child = nodes::create();
    let mut handles = HashMap::new();
    for step in steps.iter().filter(|s| s.enabled) {
        let after: Vec<usize> = step.after.iter().filter_map(|n| handles.get(n).copied()).collect();
        handles.insert(step.node, child.add(step.work.clone(), &after, 0)?);
    }
    let work: Arc<dyn Work> = Arc::new(Child(enabled));
    let added = capture::add_child(stream.queue, &work, child.handle);
    if added.is_err() {
        let _ = nodes::destroy(nodes::raw(child.handle));
    }
    added.map(drop)
}

/// Whether memory that a graph allocates is there still from its last launch.
fn again(executable: &Executable, works: &[Arc<dyn Work>]) -> Result {
    for take in works.iter().filter_map(of_type::<Take>) {
        let freed_inside = works.iter().filter_map(of_type::<GiveBack>).any(|free| free.0 == take.address);
        if freed_inside {
            continue;
        }
        // What is queued may allocate it, or free it.
        timeline::finish_all();
        if take.context.device.global.get(take.address).is_none() {
            continue;
        }
        if executable.flags & AUTO_FREE == 0 {
            return invalid(format!(
                "the graph allocates {} bytes at {:#x}, which its last launch allocated and nobody freed",
                take.bytes, take.address
            ));
        }
        memory::give_back(take.address);
    }
    Ok(())
}

/// `CUgraphExecUpdateResultInfo`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct UpdateResult {
    result: u32,
    node: Raw,
    from: Raw,
}

pub unsafe fn update(executable: Raw, graph: Raw, info: *mut UpdateResult) -> Result {
    let executable = EXECUTABLES.get(executable)?;
    let new = steps(&*nodes::get(graph)?)?;
    let mut old = lock(&executable.nodes);
    let result = compare(&old, &new);
    if !info.is_null() {
        let (node, from) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the caller's promise.
        unsafe { put(info, UpdateResult { result, node, from }) }?;
    }
    if result != 0 {
        let text = if result == 2 { "the graphs differ in their nodes or edges" } else { "nodes differ in kind" };
        return Err(Error::new(Code::GRAPH_EXEC_UPDATE_FAILURE, text));
    }
    for (old, new) in old.iter_mut().zip(new) {
        old.work = new.work;
    }
    Ok(())
}

/// The same, `CU_GRAPH_EXEC_UPDATE_SUCCESS`; or how graphs differ: 2 in their topology, 3 in the kind of a node.
fn compare(old: &[Step], new: &[Step]) -> u32 {
    let places = |steps: &[Step]| -> Vec<Vec<usize>> {
        let place = |n: &u64| steps.iter().position(|s| s.node == *n);
        steps.iter().map(|s| s.after.iter().filter_map(place).collect()).collect()
    };
    if old.len() != new.len() || places(old) != places(new) {
        return 2;
    }
    if old.iter().zip(new).any(|(a, b)| a.kind != b.kind) { 3 } else { 0 }
}

/// Replaces what a node does in an executable graph.
fn replace(executable: Raw, node: Raw, kind: u32, work: Arc<dyn Work>) -> Result {
    let executable = EXECUTABLES.get(executable)?;
    let number = nodes::place(node)?.node()?.number;
    let mut all = lock(&executable.nodes);
    let Some(step) = all.iter_mut().find(|s| s.node == number && s.kind == kind) else {
        return invalid("the executable graph has no such node");
    };
    step.work = work;
    Ok(())
}

pub unsafe fn replace_kernel(executable: Raw, node: Raw, params: *const NodeParams) -> Result {
    // SAFETY: the caller's promise.
    unsafe { replace(executable, node, 0, Arc::new(read(params)?.launch()?)) }
}

pub unsafe fn replace_copy(executable: Raw, node: Raw, params: *const Copy3D, _context: Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { replace(executable, node, 1, Arc::new(read(params)?.copy()?)) }
}

pub unsafe fn replace_fill(executable: Raw, node: Raw, params: *const FillParams, _context: Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { replace(executable, node, 2, Arc::new(read(params)?.fill()?)) }
}

pub unsafe fn replace_host(executable: Raw, node: Raw, params: *const HostParams) -> Result {
    // SAFETY: the caller's promise.
    unsafe { replace(executable, node, 3, Arc::new(read(params)?.host()?)) }
}

pub unsafe fn replace_child(executable: Raw, node: Raw, child: Raw) -> Result {
    replace(executable, node, CHILD, child_work(child.addr())?)
}

pub unsafe fn replace_record(executable: Raw, node: Raw, event: Raw) -> Result {
    replace(executable, node, 7, Arc::new(Record(event::get(event)?)))
}

pub unsafe fn replace_await(executable: Raw, node: Raw, event: Raw) -> Result {
    replace(executable, node, 6, Arc::new(Await(event::get(event)?)))
}

pub unsafe fn set_enabled(executable: Raw, node: Raw, enabled: u32) -> Result {
    with_step(executable, node, |step| step.enabled = enabled != 0)
}

pub unsafe fn get_enabled(executable: Raw, node: Raw, enabled: *mut u32) -> Result {
    let mut is = 0;
    with_step(executable, node, |step| is = step.enabled.into())?;
    // SAFETY: the caller's promise.
    unsafe { put(enabled, is) }
}

fn with_step(executable: Raw, node: Raw, work: impl FnOnce(&mut Step)) -> Result {
    let executable = EXECUTABLES.get(executable)?;
    let number = nodes::place(node)?.node()?.number;
    let mut all = lock(&executable.nodes);
    let Some(step) = all.iter_mut().find(|s| s.node == number) else {
        return invalid("the executable graph has no such node");
    };
    work(step);
    Ok(())
}
