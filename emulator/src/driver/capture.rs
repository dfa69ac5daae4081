//! Capture: streams that write what they are given into a graph instead of doing it.
//!
//! A capture begins in one stream; other streams join it by waiting for an event that was recorded in it, and must be
//! waited for by the first one before it ends. What would need a result of work that does not run is refused, and makes
//! the capture invalid, as the driver's documentation says it does.

use super::error::{Code, Error, Result, invalid, lock};
use super::nodes::{self, Graph};
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
    add_child(queue, work, 0)
}

/// As [`add`], for a node with the child graph of this handle.
///
/// # Errors
/// As [`add`].
pub fn add_child(queue: Queue, work: &Arc<dyn Work>, child: usize) -> Result<bool> {
    check_legacy(queue)?;
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

/// Sets this thread's capture mode; gives the one before.
///
/// # Errors
/// A mode that there is not.
pub fn exchange_mode(mode: u32) -> Result<u32> {
    if mode > RELAXED {
        return invalid(format!("there is no capture mode {mode}"));
    }
    Ok(MODE.replace(mode))
}

/// Begins a capture in a stream, into a graph of the caller's behind the nodes `after`, or into a new one.
///
/// # Errors
/// A mode that there is not, the null stream, and a stream that captures already.
pub fn start(queue: Queue, mode: u32, graph: Option<Arc<Graph>>, after: Vec<usize>) -> Result {
    if mode > RELAXED {
        return invalid(format!("there is no capture mode {mode}"));
    }
    if let Queue::Legacy(_) = queue {
        return Err(Error::new(Code::STREAM_CAPTURE_UNSUPPORTED, "the null stream cannot capture"));
    }
    let mut state = lock(&STATE);
    let state = state.get_or_insert_default();
    if state.of(queue).is_some() {
        return Err(Error::new(Code::ILLEGAL_STATE, "the stream captures already"));
    }
    state.last += 1;
    let (given, graph) = (graph.is_some(), graph.unwrap_or_else(nodes::create));
    let (thread, origin) = (std::thread::current().id(), queue);
    let fronts = HashMap::from([(origin, after)]);
    state.captures.insert(state.last, Capture { mode, thread, origin, graph, given, invalid: None, fronts });
    ACTIVE.fetch_add(1, Relaxed);
    Ok(())
}

/// Ends the capture that began in a stream; gives its graph.
///
/// # Errors
/// A stream that captures nothing, or joined the capture later, or belongs to another thread; a capture that is invalid, or
/// that has streams that were not joined back.
pub fn finish(queue: Queue) -> Result<Arc<Graph>> {
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
pub fn status(queue: Queue) -> (u32, u64) {
    with((0, 0), |state| match state.of(queue) {
        None => (0, 0),
        Some((number, capture)) => (if capture.invalid.is_none() { 1 } else { 2 }, number),
    })
}

/// The graph that a stream captures, and the nodes that its next one comes after.
pub fn front(queue: Queue) -> Option<(usize, Vec<usize>)> {
    with(None, |state| {
        let (_, capture) = state.of(queue)?;
        Some((capture.graph.handle, capture.fronts.get(&queue)?.clone()))
    })
}

/// Changes what a stream's next node comes after: also the nodes `after`, or these alone.
///
/// # Errors
/// A stream that captures nothing, and a capture that is invalid.
pub fn set_front(queue: Queue, after: Vec<usize>, alone: bool) -> Result {
    let none = || Err(Error::new(Code::ILLEGAL_STATE, "the stream captures nothing"));
    with(none(), |state| {
        let Some((_, capture)) = state.of(queue) else { return none() };
        capture.valid()?;
        let front = capture.fronts.entry(queue).or_default();
        if alone {
            *front = after;
        } else {
            front.extend(after);
        }
        Ok(())
    })
}
