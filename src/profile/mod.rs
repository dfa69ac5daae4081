//! Where the time of training steps goes: spans of steps, their phases, layers and ops, as tables and as a trace.
//!
//! Whoever wants to know begins ([`begin`]) and ends ([`end`]) a recording on the thread that trains. Spans are opened in the
//! few places that everything passes: where an op is applied, where a layer is called, at each node of the walk back, in the
//! trainer and in the optimizers' pass. While nobody records, that is one relaxed load each. On a CUDA card spans end in
//! events that the card reaches in its turn, so nothing waits before the recording ends; a replayed graph has no spans.

mod clock;
mod table;
mod trace;

pub use table::{Peak, Row, Table};

use crate::device::Device;
use crate::error::{Error, Result};
use clock::{Clock, Stamp};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a span is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A training step, with the making of its batch.
    Step,
    /// A part of a step: `data`, `forward`, `backward`, `metrics`, `optimizer`.
    Phase,
    /// The call of a layer, or the walk back over one of its ops.
    Layer,
    /// An op, or the optimizer's rule over all parameters.
    Op,
}

/// Something that took time.
#[derive(Clone, Debug)]
pub struct Span {
    /// What it is of.
    pub kind: Kind,
    /// The op's, layer's or phase's name.
    pub name: Cow<'static, str>,
    /// The span around it, as a place in the list.
    pub parent: Option<usize>,
    /// Seconds since the recording began.
    pub start: f64,
    /// The same at its end.
    pub end: f64,
    /// Bytes of all inputs and outputs.
    pub bytes: u64,
    /// Floating-point operations: two for each multiplication of a product, else one for each element that is written.
    pub operations: u64,
}

/// What was recorded, in the order in which the spans were opened.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// All spans.
    pub spans: Vec<Span>,
}

/// A span under way: what it will be, and when it began and ended.
struct Open {
    span: Span,
    stamps: [Option<Stamp>; 2],
}

struct Recorder {
    clock: Clock,
    spans: Vec<Open>,
    /// Those that have not ended, the innermost last.
    stack: Vec<usize>,
    /// The layer in which each node of a tape was recorded.
    layers: HashMap<(u64, u32), Cow<'static, str>>,
    failed: Option<Error>,
}

/// How many threads record.
static RECORDING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

fn with<R>(work: impl FnOnce(&mut Recorder) -> R) -> Option<R> {
    if RECORDING.load(Relaxed) == 0 {
        return None;
    }
    RECORDER.with_borrow_mut(|recorder| recorder.as_mut().map(work))
}

/// Begins to record what this thread does on `device`.
///
/// # Errors
/// A recording under way on this thread, a device that fails.
pub fn begin(device: &Device) -> Result<()> {
    let recorder = Recorder {
        clock: Clock::new(device)?,
        spans: Vec::new(),
        stack: Vec::new(),
        layers: HashMap::new(),
        failed: None,
    };
    RECORDER.with_borrow_mut(|place| match place {
        Some(_) => Err(Error::Config("a profile is being recorded on this thread; end it first".into())),
        None => {
            *place = Some(recorder);
            RECORDING.fetch_add(1, Relaxed);
            Ok(())
        }
    })
}

/// Ends the recording of this thread, waits for the device and returns what was recorded; nothing if there is none.
///
/// # Errors
/// A device that fails.
pub fn end() -> Result<Profile> {
    let Some(recorder) = RECORDER.with_borrow_mut(Option::take) else { return Ok(Profile::default()) };
    RECORDING.fetch_sub(1, Relaxed);
    if let Some(error) = recorder.failed {
        return Err(error);
    }
    let now = recorder.clock.stamp()?;
    let mut spans = Vec::with_capacity(recorder.spans.len());
    for Open { mut span, stamps: [start, end] } in recorder.spans {
        let seconds = |stamp: Option<Stamp>| recorder.clock.seconds(stamp.as_ref().unwrap_or(&now));
        (span.start, span.end) = (seconds(start)?, seconds(end)?);
        spans.push(span);
    }
    Ok(Profile { spans })
}

impl Recorder {
    fn open(&mut self, kind: Kind, name: Cow<'static, str>) -> usize {
        let parent = self.stack.last().copied();
        let span = Span { kind, name, parent, start: 0.0, end: 0.0, bytes: 0, operations: 0 };
        let start = self.stamp();
        self.spans.push(Open { span, stamps: [start, None] });
        self.stack.push(self.spans.len() - 1);
        self.spans.len() - 1
    }

    fn stamp(&mut self) -> Option<Stamp> {
        self.clock.stamp().map_err(|error| self.failed.get_or_insert(error)).ok()
    }

    fn layer(&self) -> Option<&Cow<'static, str>> {
        let spans = self.stack.iter().rev().map(|&i| &self.spans[i].span);
        spans.filter(|span| span.kind == Kind::Layer).map(|span| &span.name).next()
    }
}

/// A span that ends when this goes, on the thread where it began.
#[must_use = "a span ends when it is dropped"]
pub struct Guard {
    place: Option<usize>,
    _of_this_thread: PhantomData<*const ()>,
}

impl Guard {
    fn new(place: Option<usize>) -> Guard {
        Guard { place, _of_this_thread: PhantomData }
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        with(|recorder| {
            // None of a recording that was ended meanwhile, or begun anew.
            if recorder.stack.last() == Some(&place) {
                let end = recorder.stamp();
                recorder.stack.pop();
                recorder.spans[place].stamps[1] = end;
            }
        });
    }
}

/// Opens the span of a step, unless it is part of one.
#[inline]
pub fn step() -> Guard {
    Guard::new(with(|r| r.stack.is_empty().then(|| r.open(Kind::Step, "step".into()))).flatten())
}

/// Opens the span of a part of a step.
#[inline]
pub fn phase(name: &'static str) -> Guard {
    Guard::new(with(|r| r.open(Kind::Phase, name.into())))
}

/// Opens the span of a layer's call.
#[inline]
pub fn layer(name: &str) -> Guard {
    Guard::new(with(|r| r.open(Kind::Layer, name.to_string().into())))
}

/// Opens the span of an op; `work` says its bytes and how many elements it writes.
#[inline]
pub fn op(name: &'static str, work: impl FnOnce() -> (u64, u64)) -> Guard {
    Guard::new(with(|r| {
        let place = r.open(Kind::Op, name.into());
        let span = &mut r.spans[place].span;
        (span.bytes, span.operations) = work();
        place
    }))
}

/// Says how many floating-point operations the op under way really is.
#[inline]
pub fn operations(count: usize) {
    with(|r| {
        if let Some(&place) = r.stack.last() {
            r.spans[place].span.operations = count as u64;
        }
    });
}

/// Notes that a node of a tape was recorded, for [`backward`].
#[inline]
pub fn recorded(tape: u64, node: u32) {
    with(|r| {
        if let Some(layer) = r.layer().cloned() {
            r.layers.insert((tape, node), layer);
        }
    });
}

/// Opens the span of the walk back over a node, named after the layer that recorded it.
#[inline]
pub fn backward(tape: u64, node: u32) -> Guard {
    Guard::new(with(|r| r.layers.remove(&(tape, node)).map(|layer| r.open(Kind::Layer, layer))).flatten())
}
