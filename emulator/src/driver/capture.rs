//! Capture: streams that write what they are given into a graph instead of doing it.
//!
//! A capture begins in one stream; other streams join it by waiting for an event that was recorded in it, and must be
//! waited for by the first one before it ends. What would need a result of work that does not run is refused, and makes
//! the capture invalid, as the driver's documentation says it does.

use super::error::{Code, Error, Result, invalid, lock, put};
use super::handle::Raw;
use super::nodes::{self, Graph};
use super::stream;
use super::timeline::{Queue, Work};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

/// `CUstreamCaptureMode`.
const GLOBAL: u32 = 0;
const RELAXED: u32 = 2;

/// A place in a capture: what work that comes after it comes after.
#[derive(Clone, Debug)]
pub struct Point {
    capture: u64,
    after: Vec<usize>,
}

#[derive(Debug)]
struct Capture {
    mode: u32,
    thread: ThreadId,
    origin: Queue,
    graph: Arc<Graph>,
    /// Whether the graph was the caller's.
    given: bool,
    /// What made it invalid.
    invalid: Option<String>,
    /// What comes next in each stream comes after these nodes.
    fronts: HashMap<Queue, Vec<usize>>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    captures: HashMap<u64, Capture>,
}

impl State {
    fn of(&mut self, queue: Queue) -> Option<(u64, &mut Capture)> {
        self.captures.iter_mut().find(|(_, c)| c.fronts.contains_key(&queue)).map(|(&n, c)| (n, c))
    }
}

static STATE: Mutex<Option<State>> = Mutex::new(None);
/// How many captures there are, so that nothing is locked where there are none.
static ACTIVE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MODE: Cell<u32> = const { Cell::new(GLOBAL) };
}

fn with<R>(none: R, work: impl FnOnce(&mut State) -> R) -> R {
    if ACTIVE.load(Relaxed) == 0 { none } else { work(lock(&STATE).get_or_insert_default()) }
}

impl Capture {
    fn refuse<T>(&mut self, code: Code, text: String) -> Result<T> {
        self.invalid.get_or_insert_with(|| text.clone());
        Err(Error::new(code, text))
    }

    fn valid(&self) -> Result {
        match &self.invalid {
            None => Ok(()),
            Some(text) => Err(Error::new(Code::STREAM_CAPTURE_INVALIDATED, text.clone())),
        }
    }
}

/// Whether a stream captures.
pub fn is_capturing(queue: Queue) -> bool {
    with(false, |state| state.of(queue).is_some())
}

/// Adds work to the graph that a stream captures; false where it captures none.
///
/// # Errors
/// A capture that is invalid, and work on the null stream while a stream that keeps step with it captures.
pub fn add(queue: Queue, work: &Arc<dyn Work>) -> Result<bool> {
    check_legacy(queue)?;
    with(Ok(false), |state| {
        let Some((_, capture)) = state.of(queue) else { return Ok(false) };
        capture.valid()?;
        let front = capture.fronts.get(&queue).cloned().unwrap_or_default();
        let node = capture.graph.add(work.clone(), &front, 0)?;
        capture.fronts.insert(queue, vec![node]);
        Ok(true)
    })
}

/// As [`add`], for a node with a child graph.
///
/// # Errors
/// As [`add`].
pub fn add_child(queue: Queue, work: &Arc<dyn Work>, child: impl FnOnce() -> Result<usize>) -> Result<bool> {
    if !is_capturing(queue) {
        check_legacy(queue)?;
        return Ok(false);
    }
    let child = child()?;
    with(Ok(false), |state| {
        let Some((_, capture)) = state.of(queue) else { return Ok(false) };
        capture.valid()?;
        let front = capture.fronts.get(&queue).cloned().unwrap_or_default();
        let node = capture.graph.add(work.clone(), &front, child)?;
        capture.fronts.insert(queue, vec![node]);
        Ok(true)
    })
}

/// Refuses work on the null stream while a stream that keeps step with it captures.
///
/// # Errors
/// `CUDA_ERROR_STREAM_CAPTURE_IMPLICIT`; the captures are invalid then.
pub fn check_legacy(queue: Queue) -> Result {
    let Queue::Legacy(context) = queue else { return Ok(()) };
    with(Ok(()), |state| {
        let mut refused = Ok(());
        for capture in state.captures.values_mut() {
            if capture.fronts.keys().any(|q| q.context() == context && q.is_blocking()) {
                let text = "the null stream was used while a blocking stream captures";
                refused = capture.refuse(Code::STREAM_CAPTURE_IMPLICIT, text.to_owned());
            }
        }
        refused
    })
}

/// Refuses what needs the results of a stream that captures.
///
/// # Errors
/// `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED`; the capture is invalid then.
pub fn refuse_in_stream(queue: Queue, what: &str) -> Result {
    check_legacy(queue)?;
    with(Ok(()), |state| match state.of(queue) {
        Some((_, capture)) => {
            capture.valid()?;
            capture.refuse(Code::STREAM_CAPTURE_UNSUPPORTED, format!("{what} that captures a graph"))
        }
        None => Ok(()),
    })
}

/// Refuses what needs the results of a context, of which a stream captures.
///
/// # Errors
/// As [`refuse_in_stream`].
pub fn refuse_in_context(context: u64, what: &str) -> Result {
    with(Ok(()), |state| {
        let mut refused = Ok(());
        for capture in state.captures.values_mut() {
            if capture.fronts.keys().any(|q| q.context() == context) {
                let text = format!("{what}, of which a stream captures a graph");
                refused = capture.refuse(Code::STREAM_CAPTURE_UNSUPPORTED, text);
            }
        }
        refused
    })
}

/// Refuses a call that may wait for the device, where this thread's mode and the captures that there are forbid it.
///
/// # Errors
/// As [`refuse_in_stream`].
pub fn refuse_unsafe(what: &str) -> Result {
    let mode = MODE.get();
    if mode == RELAXED {
        return Ok(());
    }
    let thread = std::thread::current().id();
    with(Ok(()), |state| {
        let mut refused = Ok(());
        for capture in state.captures.values_mut() {
            let mine = capture.thread == thread && capture.mode != RELAXED;
            if mine || mode == GLOBAL && capture.mode == GLOBAL {
                let text = format!(
                    "{what} while a stream captures a graph (cuThreadExchangeStreamCaptureMode with \
                     CU_STREAM_CAPTURE_MODE_RELAXED allows it)"
                );
                refused = capture.refuse(Code::STREAM_CAPTURE_UNSUPPORTED, text);
            }
        }
        refused
    })
}

/// Where a stream is in its capture, if it is in one.
///
/// # Errors
/// A capture that is invalid.
pub fn point(queue: Queue) -> Result<Option<Point>> {
    with(Ok(None), |state| {
        let Some((number, capture)) = state.of(queue) else { return Ok(None) };
        capture.valid()?;
        Ok(Some(Point { capture: number, after: capture.fronts.get(&queue).cloned().unwrap_or_default() }))
    })
}

/// Has a stream wait for a point of a capture, which it joins by that.
///
/// # Errors
/// A point of a capture that has ended, or of another one than the stream's.
pub fn join(queue: Queue, point: &Point) -> Result {
    let ended = || {
        let text = "the event was recorded in a capture that has ended";
        Err(Error::new(Code::STREAM_CAPTURE_ISOLATION, text))
    };
    check_legacy(queue)?;
    with(ended(), |state| {
        if !state.captures.contains_key(&point.capture) {
            return ended();
        }
        if let Some((number, capture)) = state.of(queue) {
            capture.valid()?;
            if number != point.capture {
                let text = "an event of one capture is waited for in another".to_owned();
                return capture.refuse(Code::STREAM_CAPTURE_MERGE, text);
            }
        } else if let Queue::Legacy(_) = queue {
            let text = "the null stream cannot join a capture";
            return Err(Error::new(Code::STREAM_CAPTURE_IMPLICIT, text));
        }
        let Some(capture) = state.captures.get_mut(&point.capture) else { return ended() };
        capture.valid()?;
        let front = capture.fronts.entry(queue).or_default();
        for &node in &point.after {
            if !front.contains(&node) {
                front.push(node);
            }
        }
        Ok(())
    })
}

/// Refuses a wait of a stream that captures for work outside.
///
/// # Errors
/// `CUDA_ERROR_STREAM_CAPTURE_ISOLATION`; the capture is invalid then.
pub fn isolate(queue: Queue) -> Result {
    with(Ok(()), |state| match state.of(queue) {
        Some((_, capture)) => {
            let text = "a wait for an event that was recorded outside the capture".to_owned();
            capture.refuse(Code::STREAM_CAPTURE_ISOLATION, text)
        }
        None => Ok(()),
    })
}

/// Makes the capture of a point invalid.
pub fn invalidate(point: &Point) {
    with((), |state| {
        if let Some(capture) = state.captures.get_mut(&point.capture) {
            capture.invalid.get_or_insert_with(|| "an event of the capture was waited for or asked".to_owned());
        }
    });
}

/// Ends the capture of a stream that is destroyed.
pub fn forget_stream(queue: Queue) {
    with((), |state| {
        let Some((number, capture)) = state.of(queue) else { return };
        capture.invalid.get_or_insert_with(|| "a stream of the capture was destroyed".to_owned());
        if capture.origin == queue {
            state.captures.remove(&number);
            ACTIVE.fetch_sub(1, Relaxed);
        }
    });
}

pub unsafe fn exchange_mode(mode: *mut u32) -> Result {
    if mode.is_null() {
        return invalid("a null pointer for the mode");
    }
    // SAFETY: not null, and the caller's promise.
    let next = unsafe { mode.read() };
    if next > RELAXED {
        return invalid(format!("there is no capture mode {next}"));
    }
    // SAFETY: as above.
    unsafe { put(mode, MODE.replace(next)) }
}

pub unsafe fn begin(stream: Raw, mode: u32) -> Result {
    start(stream, mode, None, Vec::new())
}

pub unsafe fn begin_to_graph(
    stream: Raw,
    graph: Raw,
    after: *const Raw,
    _edges: Raw,
    count: usize,
    mode: u32,
) -> Result {
    // SAFETY: the caller's promise.
    let after = unsafe { handles(after, count) }?;
    start(stream, mode, Some(nodes::get(graph)?), after)
}

/// The handles that a caller's array holds.
///
/// # Errors
/// A null pointer where there should be some.
///
/// # Safety
/// `from` is null or has `count` handles.
pub unsafe fn handles(from: *const Raw, count: usize) -> Result<Vec<usize>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if from.is_null() {
        return invalid("a null pointer for nodes");
    }
    // SAFETY: not null, and the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(from, count) }.iter().map(|h| h.addr()).collect())
}

fn start(stream: Raw, mode: u32, graph: Option<Arc<Graph>>, after: Vec<usize>) -> Result {
    let stream = stream::get(stream)?;
    if mode > RELAXED {
        return invalid(format!("there is no capture mode {mode}"));
    }
    if let Queue::Legacy(_) = stream.queue {
        return Err(Error::new(Code::STREAM_CAPTURE_UNSUPPORTED, "the null stream cannot capture"));
    }
    let mut state = lock(&STATE);
    let state = state.get_or_insert_default();
    if state.of(stream.queue).is_some() {
        return Err(Error::new(Code::ILLEGAL_STATE, "the stream captures already"));
    }
    state.last += 1;
    let (given, graph) = (graph.is_some(), graph.unwrap_or_else(nodes::create));
    let (thread, origin) = (std::thread::current().id(), stream.queue);
    let fronts = HashMap::from([(origin, after)]);
    state.captures.insert(state.last, Capture { mode, thread, origin, graph, given, invalid: None, fronts });
    ACTIVE.fetch_add(1, Relaxed);
    Ok(())
}

pub unsafe fn end(stream: Raw, graph: *mut Raw) -> Result {
    let stream = stream::get(stream)?;
    if graph.is_null() {
        return invalid("a null pointer where the call writes its result");
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { put(graph, std::ptr::null_mut()) }?;
    let captured = finish(stream.queue)?;
    // SAFETY: as above.
    unsafe { put(graph, nodes::raw(captured.handle)) }
}

fn finish(queue: Queue) -> Result<Arc<Graph>> {
    let none = || Err(Error::new(Code::ILLEGAL_STATE, "the stream captures nothing"));
    with(none(), |state| {
        let Some((number, capture)) = state.of(queue) else { return none() };
        if capture.origin != queue {
            let text = "the capture began in another stream".to_owned();
            return capture.refuse(Code::STREAM_CAPTURE_UNMATCHED, text);
        }
        if capture.mode != RELAXED && capture.thread != std::thread::current().id() {
            let text = "another thread began the capture";
            return Err(Error::new(Code::STREAM_CAPTURE_WRONG_THREAD, text));
        }
        let Some(capture) = state.captures.remove(&number) else { return none() };
        ACTIVE.fetch_sub(1, Relaxed);
        let front = capture.fronts.get(&queue).cloned().unwrap_or_default();
        let result = capture.valid().and_then(|()| {
            let joined = capture.graph.before(&front);
            let alone = capture.fronts.values().flatten().any(|node| !joined.contains(node));
            if alone {
                let text = "a stream that joined the capture was not waited for before it ended";
                return Err(Error::new(Code::STREAM_CAPTURE_UNJOINED, text));
            }
            Ok(())
        });
        if let Err(error) = result {
            if !capture.given {
                let _ = nodes::destroy(nodes::raw(capture.graph.handle));
            }
            return Err(error);
        }
        Ok(capture.graph)
    })
}

/// `CUstreamCaptureStatus` and the capture's number.
fn status(queue: Queue) -> (u32, u64) {
    with((0, 0), |state| match state.of(queue) {
        None => (0, 0),
        Some((number, capture)) => (if capture.invalid.is_none() { 1 } else { 2 }, number),
    })
}

pub unsafe fn is_capturing_stream(stream: Raw, to: *mut u32) -> Result {
    let stream = stream::get(stream)?;
    check_legacy(stream.queue)?;
    // SAFETY: the caller's promise.
    unsafe { put(to, status(stream.queue).0) }
}

thread_local! {
    /// What `cuStreamGetCaptureInfo` gave last, which stays until this thread's next call of the driver that captures.
    static FRONT: std::cell::RefCell<Vec<Raw>> = const { std::cell::RefCell::new(Vec::new()) };
}

pub unsafe fn info_v2(
    stream: Raw,
    status_to: *mut u32,
    number_to: *mut u64,
    graph_to: *mut Raw,
    after_to: *mut *const Raw,
    count_to: *mut usize,
) -> Result {
    let stream = stream::get(stream)?;
    check_legacy(stream.queue)?;
    let (status, number) = status(stream.queue);
    // SAFETY: the caller's promise; all but the first may be null.
    unsafe {
        put(status_to, status)?;
        if status != 1 {
            return Ok(());
        }
        if !number_to.is_null() {
            put(number_to, number)?;
        }
        let found = with(None, |state| {
            let (_, capture) = state.of(stream.queue)?;
            Some((capture.graph.handle, capture.fronts.get(&stream.queue)?.clone()))
        });
        let Some((graph, front)) = found else { return Ok(()) };
        if !graph_to.is_null() {
            put(graph_to, nodes::raw(graph))?;
        }
        if !count_to.is_null() {
            put(count_to, front.len())?;
        }
        if !after_to.is_null() {
            FRONT.set(front.iter().map(|&h| nodes::raw(h)).collect());
            FRONT.with_borrow(|front| put(after_to, front.as_ptr()))?;
        }
    }
    Ok(())
}

pub unsafe fn info_v3(
    stream: Raw,
    status: *mut u32,
    number: *mut u64,
    graph: *mut Raw,
    after: *mut *const Raw,
    edges: *mut Raw,
    count: *mut usize,
) -> Result {
    // SAFETY: the caller's promise; no edge has data.
    unsafe {
        if !edges.is_null() {
            put(edges, std::ptr::null_mut())?;
        }
        info_v2(stream, status, number, graph, after, count)
    }
}

pub unsafe fn update_dependencies(stream: Raw, after: *const Raw, count: usize, flags: u32) -> Result {
    let stream = stream::get(stream)?;
    // SAFETY: the caller's promise.
    let after = unsafe { handles(after, count) }?;
    let none = || Err(Error::new(Code::ILLEGAL_STATE, "the stream captures nothing"));
    with(none(), |state| {
        let Some((_, capture)) = state.of(stream.queue) else { return none() };
        capture.valid()?;
        let front = capture.fronts.entry(stream.queue).or_default();
        if flags & 1 != 0 {
            *front = after;
        } else {
            front.extend(after);
        }
        Ok(())
    })
}

pub unsafe fn update_dependencies_v2(stream: Raw, after: *const Raw, _edges: Raw, count: usize, flags: u32) -> Result {
    // SAFETY: the caller's promise.
    unsafe { update_dependencies(stream, after, count, flags) }
}
