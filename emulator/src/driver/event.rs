//! Events: points in the order of work.

use super::capture::{self, Point};
use super::context::{self, Context};
use super::error::{Code, Error, Result, invalid, lock, put};
use super::handle::{Handles, Raw};
use super::timeline::{self, Owner, Work};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// An event.
#[derive(Debug)]
pub struct Event {
    /// Its context.
    pub context: Arc<Context>,
    /// Its handle's number.
    pub handle: usize,
    flags: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The task that recorded it last.
    task: Option<u64>,
    /// When it happened last.
    time: Option<Instant>,
    /// Where in a capture it was recorded, if that was last.
    captured: Option<Point>,
}

static EVENTS: Handles<Event> = Handles::resource("an event");

/// `CU_EVENT_DISABLE_TIMING`.
const UNTIMED: u32 = 2;

/// The event of a handle.
///
/// # Errors
/// An unknown handle, or the state of the event's context.
pub fn get(handle: Raw) -> Result<Arc<Event>> {
    let event = EVENTS.get(handle)?;
    event.context.usable()?;
    Ok(event)
}

impl Event {
    /// The task that recorded it, if one did.
    pub fn task(&self) -> Option<u64> {
        lock(&self.state).task
    }

    /// The point of a capture that it stands for, if it was last recorded there.
    pub fn captured(&self) -> Option<Point> {
        lock(&self.state).captured.clone()
    }

    /// Makes it stand for a task.
    pub fn set_task(&self, task: u64) {
        let mut state = lock(&self.state);
        state.task = Some(task);
        state.captured = None;
        // It may have run already, where too much was pending.
        if timeline::is_pending(task) {
            state.time = None;
        }
    }

    /// Makes it stand for a point of a capture.
    pub fn set_captured(&self, point: Point) {
        let mut state = lock(&self.state);
        state.captured = Some(point);
    }

    /// Whether it may be waited for or asked.
    fn outside_capture(&self, what: &str) -> Result {
        match self.captured() {
            None => Ok(()),
            Some(point) => {
                capture::invalidate(&point);
                Err(Error::new(Code::CAPTURED_EVENT, format!("{what} an event that was recorded in a capture")))
            }
        }
    }

    /// When it happened, if its task has run.
    fn time(&self) -> Option<Instant> {
        let state = lock(&self.state);
        state.time.filter(|_| state.task.is_some_and(|task| !timeline::is_pending(task)))
    }
}

/// Recording an event.
#[derive(Debug)]
pub struct Record(pub Arc<Event>);

impl Work for Record {
    fn run(&self) -> Result {
        lock(&self.0.state).time = Some(Instant::now());
        Ok(())
    }

    fn kind(&self) -> u32 {
        7
    }
}

/// Waiting for an event inside a graph; its launch puts what the event stands for before the graph.
#[derive(Debug)]
pub struct Await(pub Arc<Event>);

impl Work for Await {
    fn run(&self) -> Result {
        Ok(())
    }

    fn kind(&self) -> u32 {
        6
    }
}

pub unsafe fn create(event: *mut Raw, flags: u32) -> Result {
    let context = context::current()?;
    if flags > 7 {
        return invalid(format!("event flags {flags:#x}"));
    }
    let state = Mutex::default();
    let (handle, _) = EVENTS.add(|handle| Event { context, handle, flags, state });
    // SAFETY: the caller's promise.
    unsafe { put(event, handle) }
}

pub unsafe fn destroy(event: Raw) -> Result {
    EVENTS.remove(event).map(|_| ())
}

pub unsafe fn synchronize(event: Raw) -> Result {
    let event = get(event)?;
    event.outside_capture("a wait for")?;
    timeline::finish(event.task());
    event.context.fault()
}

/// Answers `CUDA_ERROR_NOT_READY` where the event has not happened, and runs what comes before it, so that a program that
/// asks again goes on.
pub unsafe fn query(event: Raw) -> Result {
    let event = get(event)?;
    event.outside_capture("a query of")?;
    capture::refuse_unsafe("cuEventQuery")?;
    ready([&event])
}

fn ready<const N: usize>(events: [&Arc<Event>; N]) -> Result {
    let pending: Vec<u64> =
        events.iter().filter_map(|event| event.task()).filter(|&task| timeline::is_pending(task)).collect();
    let any = !pending.is_empty();
    timeline::finish(pending);
    events.iter().try_for_each(|event| event.context.fault())?;
    if any { Err(Code::NOT_READY.into()) } else { Ok(()) }
}

/// As [`query`] where one of the events has not happened.
pub unsafe fn elapsed(milliseconds: *mut f32, start: Raw, end: Raw) -> Result {
    let (start, end) = (get(start)?, get(end)?);
    for event in [&start, &end] {
        event.outside_capture("the time of")?;
        if event.flags & UNTIMED != 0 || event.task().is_none() {
            let text = "the time of an event that was never recorded, or was made with CU_EVENT_DISABLE_TIMING";
            return Err(Error::new(Code::INVALID_HANDLE, text));
        }
    }
    ready([&start, &end])?;
    let (Some(from), Some(to)) = (start.time(), end.time()) else {
        return Err(Error::new(Code::UNKNOWN, "an event without a time"));
    };
    let seconds = match to.checked_duration_since(from) {
        Some(duration) => duration.as_secs_f64(),
        None => -from.duration_since(to).as_secs_f64(),
    };
    // SAFETY: the caller's promise.
    unsafe { put(milliseconds, (seconds * 1e3) as f32) }
}
