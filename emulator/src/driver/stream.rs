//! Streams: queues of work with a handle, and waiting for them.

use super::capture;
use super::context::{self, Context};
use super::error::{Code, Error, Result, in_host_function, invalid, lock, put, read};
use super::event::{self, Event};
use super::handle::{Handles, Raw};
use super::pool;
use super::timeline::{self, Owner, Queue, Work};
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Its context.
    pub context: Arc<Context>,
    /// Its queue.
    pub queue: Queue,
    /// Its number.
    pub number: u64,
    /// Its handle.
    pub handle: Raw,
    flags: u32,
    priority: c_int,
}

// SAFETY: the handle is a number, not memory that is read.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

static STREAMS: Handles<Stream> = Handles::new("a stream");

/// Handles of streams that are always there.
const LEGACY: usize = 1;
const PER_THREAD: usize = 2;

/// The stream of a handle; 0 and 1 stand for the null stream of this thread's context, 2 for the thread's own.
///
/// # Errors
/// An unknown handle, or the state of the context.
pub fn get(handle: Raw) -> Result<Arc<Stream>> {
    let (queue, number): (fn(u64) -> Queue, u64) = match handle.addr() {
        0 | LEGACY => (Queue::Legacy, 0),
        PER_THREAD => (|context| Queue::Thread(context, std::thread::current().id()), PER_THREAD as u64),
        _ => {
            let stream = STREAMS.get(handle)?;
            stream.context.usable()?;
            return Ok(stream);
        }
    };
    let context = context::current()?;
    let queue = queue(context.number);
    Ok(Arc::new(Stream { context, queue, number, handle, flags: 0, priority: 0 }))
}

impl Stream {
    /// Puts work at its end, or into the graph that it captures.
    ///
    /// # Errors
    /// What forbids it while streams capture.
    pub fn submit(&self, work: Arc<dyn Work>) -> Result {
        if !capture::add(self.queue, &work)? {
            timeline::push(self.queue, &(self.context.clone() as Arc<dyn Owner>), &[], vec![work]);
        }
        Ok(())
    }

    /// Puts work at its end and runs it.
    ///
    /// # Errors
    /// As [`Stream::submit`], and what the work does wrong.
    pub fn run(&self, work: Arc<dyn Work>) -> Result {
        self.submit(work)?;
        self.wait()
    }

    /// Runs its work.
    ///
    /// # Errors
    /// What the work does wrong, and `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED` while it captures.
    pub fn wait(&self) -> Result {
        capture::refuse_in_stream(self.queue, "a wait for the stream")?;
        timeline::finish_queue(self.queue);
        self.context.fault()
    }
}

pub unsafe fn create(stream: *mut Raw, flags: u32) -> Result {
    // SAFETY: the caller's promise.
    unsafe { create_with_priority(stream, flags, 0) }
}

pub unsafe fn create_with_priority(stream: *mut Raw, flags: u32, priority: c_int) -> Result {
    static NEXT: AtomicU64 = AtomicU64::new(3);
    let context = context::current()?;
    if flags > 1 {
        return invalid(format!("stream flags {flags:#x}"));
    }
    let number = NEXT.fetch_add(1, Relaxed);
    let queue = Queue::Made(context.number, number, flags & 1 == 0);
    let (handle, _) = STREAMS.add(|handle| {
        let handle = std::ptr::without_provenance_mut(handle);
        Stream { context, queue, number, handle, flags, priority: priority.clamp(-5, 0) }
    });
    // SAFETY: the caller's promise.
    unsafe { put(stream, handle) }
}

pub unsafe fn destroy(stream: Raw) -> Result {
    if stream.addr() <= PER_THREAD {
        return Err(Error::new(Code::INVALID_HANDLE, "the default streams are not destroyed"));
    }
    let stream = STREAMS.remove(stream)?;
    capture::forget_stream(stream.queue);
    Ok(())
}

pub unsafe fn synchronize(stream: Raw) -> Result {
    let stream = get(stream)?;
    stream.wait()?;
    pool::trim_after_wait(stream.context.device);
    Ok(())
}

/// Answers `CUDA_ERROR_NOT_READY` where work is pending, and runs it, so that a program that asks again goes on.
pub unsafe fn query(stream: Raw) -> Result {
    let stream = get(stream)?;
    capture::refuse_in_stream(stream.queue, "a query of the stream")?;
    let was_pending = timeline::finish_queue(stream.queue);
    stream.context.fault()?;
    if was_pending { Err(Code::NOT_READY.into()) } else { Ok(()) }
}

pub unsafe fn synchronize_context() -> Result {
    // SAFETY: a null handle stands for the current context.
    unsafe { synchronize_context_of(std::ptr::null_mut()) }
}

pub unsafe fn synchronize_context_of(context: Raw) -> Result {
    let context = context::of(context)?;
    capture::refuse_in_context(context.number, "a wait for the context")?;
    timeline::finish_context(context.number);
    context.fault()?;
    pool::trim_after_wait(context.device);
    Ok(())
}

pub unsafe fn wait_event(stream: Raw, event: Raw, flags: u32) -> Result {
    let stream = get(stream)?;
    let event = event::get(event)?;
    if flags > 1 {
        return invalid(format!("flags {flags:#x} of a wait for an event"));
    }
    if flags & 1 != 0 && capture::is_capturing(stream.queue) {
        return stream.submit(Arc::new(event::Await(event)));
    }
    if let Some(point) = event.captured() {
        return capture::join(stream.queue, &point);
    }
    let Some(task) = event.task() else { return Ok(()) };
    if capture::is_capturing(stream.queue) {
        return capture::isolate(stream.queue);
    }
    timeline::push(stream.queue, &(stream.context.clone() as Arc<dyn Owner>), &[task], Vec::new());
    Ok(())
}

pub unsafe fn record_event(event: Raw, stream: Raw) -> Result {
    // SAFETY: the caller's promise.
    unsafe { record_event_with_flags(event, stream, 0) }
}

pub unsafe fn record_event_with_flags(event: Raw, stream: Raw, flags: u32) -> Result {
    let (event, stream) = (event::get(event)?, get(stream)?);
    if flags > 1 {
        return invalid(format!("flags {flags:#x} of the recording of an event"));
    }
    if !Arc::ptr_eq(&event.context, &stream.context) {
        return Err(Error::new(Code::INVALID_HANDLE, "the event and the stream belong to different contexts"));
    }
    record(&event, &stream, flags)
}

fn record(event: &Arc<Event>, stream: &Stream, flags: u32) -> Result {
    let work: Arc<dyn Work> = Arc::new(event::Record(event.clone()));
    if flags & 1 != 0 && capture::is_capturing(stream.queue) {
        return stream.submit(work);
    }
    if let Some(point) = capture::point(stream.queue)? {
        event.set_captured(point);
        return Ok(());
    }
    capture::check_legacy(stream.queue)?;
    let task = timeline::push(stream.queue, &(stream.context.clone() as Arc<dyn Owner>), &[], vec![work]);
    event.set_task(task);
    Ok(())
}

/// `CUhostFn`.
pub type HostFunction = unsafe extern "C" fn(*mut c_void);
/// `CUstreamCallback`.
pub type Callback = unsafe extern "C" fn(Raw, u32, *mut c_void);

/// A host function.
#[derive(Debug)]
pub struct Host {
    /// What is called.
    pub function: HostFunction,
    /// With what.
    pub data: *mut c_void,
}

// SAFETY: the caller gave the pointer to be used from whatever thread runs the stream's work.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Work for Host {
    fn run(&self) -> Result {
        // SAFETY: the caller promises that the function may be called with the pointer once the stream is there.
        in_host_function(|| unsafe { (self.function)(self.data) });
        Ok(())
    }

    fn kind(&self) -> u32 {
        3
    }
}

#[derive(Debug)]
struct Call {
    callback: Callback,
    stream: Raw,
    data: *mut c_void,
}

// SAFETY: as for `Host`.
unsafe impl Send for Call {}
// SAFETY: as above.
unsafe impl Sync for Call {}

impl Work for Call {
    fn run(&self) -> Result {
        // SAFETY: as for `Host`.
        in_host_function(|| unsafe { (self.callback)(self.stream, 0, self.data) });
        Ok(())
    }

    fn kind(&self) -> u32 {
        3
    }
}

pub unsafe fn launch_host_function(stream: Raw, function: Option<HostFunction>, data: *mut c_void) -> Result {
    let Some(function) = function else { return invalid("a null pointer for the host function") };
    get(stream)?.submit(Arc::new(Host { function, data }))
}

pub unsafe fn add_callback(stream: Raw, callback: Option<Callback>, data: *mut c_void, flags: u32) -> Result {
    let (Some(callback), 0) = (callback, flags) else { return invalid("a null callback, or flags") };
    let stream_of = get(stream)?;
    if capture::is_capturing(stream_of.queue) {
        return capture::refuse_in_stream(stream_of.queue, "cuStreamAddCallback");
    }
    stream_of.submit(Arc::new(Call { callback, stream, data }))
}

pub unsafe fn get_flags(stream: Raw, flags: *mut u32) -> Result {
    let stream = get(stream)?;
    // SAFETY: the caller's promise.
    unsafe { put(flags, stream.flags) }
}

pub unsafe fn get_priority(stream: Raw, priority: *mut c_int) -> Result {
    let stream = get(stream)?;
    // SAFETY: the caller's promise.
    unsafe { put(priority, stream.priority) }
}

pub unsafe fn get_id(stream: Raw, number: *mut u64) -> Result {
    let stream = get(stream)?;
    // SAFETY: the caller's promise.
    unsafe { put(number, stream.number) }
}

pub unsafe fn get_device(stream: Raw, device: *mut c_int) -> Result {
    let stream = get(stream)?;
    // SAFETY: the caller's promise.
    unsafe { put(device, stream.context.device.number as c_int) }
}

pub unsafe fn get_context(stream: Raw, context: *mut Raw) -> Result {
    let stream = get(stream)?;
    // SAFETY: the caller's promise.
    unsafe { put(context, stream.context.raw()) }
}

type Attributes = HashMap<(Queue, u32), [u8; 64]>;
/// Attributes of streams, which change nothing here, by stream and number.
static ATTRIBUTES: Mutex<Option<Attributes>> = Mutex::new(None);

/// The access window, the synchronisation policy, the priority, the memory domains: what a stream has of the launch
/// attributes.
fn key(stream: &Stream, attribute: u32) -> Result<(Queue, u32)> {
    if matches!(attribute, 1 | 3 | 8..=10) {
        return Ok((stream.queue, attribute));
    }
    invalid(format!("a stream has no attribute {attribute}"))
}

pub unsafe fn set_attribute(stream: Raw, attribute: u32, value: *const [u8; 64]) -> Result {
    let stream = get(stream)?;
    let key = key(&stream, attribute)?;
    // SAFETY: the caller promises a value of the union's size.
    let value = unsafe { read(value) }?;
    lock(&ATTRIBUTES).get_or_insert_default().insert(key, value);
    Ok(())
}

pub unsafe fn get_attribute(stream: Raw, attribute: u32, value: *mut [u8; 64]) -> Result {
    let stream = get(stream)?;
    let key = key(&stream, attribute)?;
    let known = lock(&ATTRIBUTES).as_ref().and_then(|all| all.get(&key).copied());
    // SAFETY: the caller's promise.
    unsafe { put(value, known.unwrap_or([0; 64])) }
}
