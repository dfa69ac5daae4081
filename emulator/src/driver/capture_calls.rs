//! The calls that begin and end captures, and say how they stand.

use super::error::{Result, invalid, put, read};
use super::handle::Raw;
use super::nodes::{self, handles};
use super::{capture, stream};

pub unsafe fn exchange_mode(mode: *mut u32) -> Result {
    // SAFETY: the caller's promise.
    unsafe { put(mode, capture::exchange_mode(read(mode)?)?) }
}

pub unsafe fn begin(stream: Raw, mode: u32) -> Result {
    capture::start(stream::get(stream)?.queue, mode, None, Vec::new())
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
    capture::start(stream::get(stream)?.queue, mode, Some(nodes::get(graph)?), after)
}

pub unsafe fn end(stream: Raw, graph: *mut Raw) -> Result {
    let stream = stream::get(stream)?;
    if graph.is_null() {
        return invalid("a null pointer where the call writes its result");
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { put(graph, std::ptr::null_mut()) }?;
    let captured = capture::finish(stream.queue)?;
    // SAFETY: as above.
    unsafe { put(graph, nodes::raw(captured.handle)) }
}

pub unsafe fn is_capturing_stream(stream: Raw, to: *mut u32) -> Result {
    let stream = stream::get(stream)?;
    capture::check_legacy(stream.queue)?;
    // SAFETY: the caller's promise.
    unsafe { put(to, capture::status(stream.queue).0) }
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
    capture::check_legacy(stream.queue)?;
    let (status, number) = capture::status(stream.queue);
    // SAFETY: the caller's promise; all but the first may be null.
    unsafe {
        put(status_to, status)?;
        if status != 1 {
            return Ok(());
        }
        if !number_to.is_null() {
            put(number_to, number)?;
        }
        let Some((graph, front)) = capture::front(stream.queue) else { return Ok(()) };
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
    capture::set_front(stream.queue, after, flags & 1 != 0)
}

pub unsafe fn update_dependencies_v2(stream: Raw, after: *const Raw, _edges: Raw, count: usize, flags: u32) -> Result {
    // SAFETY: the caller's promise.
    unsafe { update_dependencies(stream, after, count, flags) }
}
