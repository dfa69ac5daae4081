//! Capture and graphs.

use super::*;

const RELAXED: u32 = 2;
const GLOBAL: u32 = 0;

fn begin(stream: Raw, mode: u32) {
    // SAFETY: the stream lives.
    ok(unsafe { cuStreamBeginCapture_v2(stream, mode) });
}

fn end(stream: Raw) -> (u32, Raw) {
    let mut graph = null_mut();
    // SAFETY: the stream lives; the handle is written.
    (unsafe { cuStreamEndCapture(stream, &mut graph) }, graph)
}

fn executable(graph: Raw) -> Raw {
    let mut executable = null_mut();
    // SAFETY: the graph lives; the handle is written.
    ok(unsafe { cuGraphInstantiateWithFlags(&mut executable, graph, 0) });
    executable
}

fn count(graph: Raw) -> usize {
    let mut count = 0;
    // SAFETY: the number is written.
    ok(unsafe { cuGraphGetNodes(graph, null_mut(), &mut count) });
    count
}

#[test]
fn what_is_captured_runs_at_each_launch() {
    let _own = Own::new();
    let (s, a, b, host) = (stream(1), memory(4), memory(4), pinned(1));
    // SAFETY: of this test: all handles and addresses live.
    unsafe {
        ok(cuMemsetD32Async(a, 1, 1, s));
        begin(s, GLOBAL);
        ok(cuMemcpyDtoDAsync_v2(b, a, 4, s));
        ok(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), b, 4, s));
        let (code, graph) = end(s);
        ok(code);
        assert_eq!(count(graph), 2);
        let e = executable(graph);
        ok(cuGraphDestroy(graph));
        ok(cuStreamSynchronize(s));
        assert_eq!(host[0], 0);
        for value in [5, 6] {
            ok(cuMemsetD32Async(a, value, 1, s));
            ok(cuGraphUpload(e, s));
            ok(cuGraphLaunch(e, s));
            ok(cuStreamSynchronize(s));
            assert_eq!(host[0], value);
        }
        ok(cuGraphExecDestroy(e));
        assert_eq!(cuGraphLaunch(e, s), Code::INVALID_HANDLE.0);
    }
}

#[test]
fn streams_join_by_events_and_are_joined_back() {
    let _own = Own::new();
    let (s, t, a, fork, join) = (stream(1), stream(1), memory(8), event(), event());
    // SAFETY: as above.
    unsafe {
        begin(s, GLOBAL);
        ok(cuMemsetD32Async(a, 1, 2, s));
        ok(cuEventRecord(fork, s));
        ok(cuStreamWaitEvent(t, fork, 0));
        ok(cuMemsetD32Async(a, 2, 1, t));
        ok(cuMemsetD32Async(a + 4, 3, 1, s));
        ok(cuEventRecord(join, t));
        ok(cuStreamWaitEvent(s, join, 0));
        let mut status = 0;
        ok(cuStreamIsCapturing(t, &mut status));
        assert_eq!(status, 1);
        let (code, graph) = end(s);
        ok(code);
        ok(cuStreamIsCapturing(t, &mut status));
        assert_eq!((status, count(graph)), (0, 3));
        ok(cuGraphLaunch(executable(graph), s));
        ok(cuStreamSynchronize(s));
        assert_eq!(read(a, 2), [2, 3]);
        assert_eq!(cuEventSynchronize(join), Code::CAPTURED_EVENT.0);
        // Not joined back: no graph.
        begin(s, GLOBAL);
        ok(cuEventRecord(fork, s));
        ok(cuStreamWaitEvent(t, fork, 0));
        ok(cuMemsetD32Async(a, 2, 1, t));
        assert_eq!(end(s), (Code::STREAM_CAPTURE_UNJOINED.0, null_mut()));
    }
}

/// What one call in a capture answers, and what its end answers then.
fn capture(mode: u32, call: impl FnOnce(Raw) -> u32) -> [u32; 2] {
    let s = stream(1);
    begin(s, mode);
    let answer = call(s);
    let (code, graph) = end(s);
    assert_eq!(graph.is_null(), code != 0);
    [answer, code]
}

#[test]
fn what_is_illegal_in_a_capture_ends_it() {
    let _own = Own::new();
    let (a, done, outside) = (memory(4), event(), stream(1));
    let invalid = Code::STREAM_CAPTURE_INVALIDATED.0;
    let unsupported = [Code::STREAM_CAPTURE_UNSUPPORTED.0, invalid];
    let (mut address, mut word) = (0, 0u32);
    // SAFETY: as above.
    unsafe {
        ok(cuEventRecord(done, outside));
        assert_eq!(capture(GLOBAL, |s| cuStreamSynchronize(s)), unsupported);
        assert_eq!(capture(GLOBAL, |s| cuStreamQuery(s)), unsupported);
        assert_eq!(capture(RELAXED, |_| cuCtxSynchronize()), unsupported);
        assert_eq!(capture(GLOBAL, |_| cuMemAlloc_v2(&mut address, 4)), unsupported);
        assert_eq!(capture(GLOBAL, |_| cuEventQuery(done)), unsupported);
        assert_eq!(capture(1, |_| cuMemcpyDtoH_v2((&raw mut word).cast(), a, 4)), unsupported);
        assert_eq!(capture(RELAXED, |_| cuMemAlloc_v2(&mut address, 4)), [0, 0]);
        let isolated = [Code::STREAM_CAPTURE_ISOLATION.0, invalid];
        assert_eq!(capture(GLOBAL, |s| cuStreamWaitEvent(s, done, 0)), isolated);
        assert_eq!(capture(GLOBAL, |s| cuStreamBeginCapture_v2(s, 0)), [Code::ILLEGAL_STATE.0, 0]);
        // The mode of the thread decides too.
        let mut mode = RELAXED;
        ok(cuThreadExchangeStreamCaptureMode(&mut mode));
        assert_eq!((mode, capture(GLOBAL, |_| cuMemAlloc_v2(&mut address, 4))), (GLOBAL, [0, 0]));
        ok(cuThreadExchangeStreamCaptureMode(&mut mode));
        assert_eq!(mode, RELAXED);
        assert_eq!(end(outside).0, Code::ILLEGAL_STATE.0);
        assert_eq!(cuStreamBeginCapture_v2(null_mut(), 0), Code::STREAM_CAPTURE_UNSUPPORTED.0);
    }
}

#[test]
fn the_null_stream_is_kept_out_of_captures() {
    let _own = Own::new();
    let (s, t, a) = (stream(0), stream(1), memory(4));
    // SAFETY: as above.
    unsafe {
        begin(s, RELAXED);
        assert_eq!(cuMemsetD32Async(a, 1, 1, null_mut()), Code::STREAM_CAPTURE_IMPLICIT.0);
        assert_eq!(end(s).0, Code::STREAM_CAPTURE_INVALIDATED.0);
        begin(t, RELAXED);
        ok(cuMemsetD32Async(a, 1, 1, null_mut()));
        ok(end(t).0);
    }
}

#[test]
fn a_capture_ends_where_it_began() {
    let own = Own::new();
    let (s, t, e) = (stream(1), stream(1), event());
    let (context, stream_of) = (own.0.addr(), s.addr());
    // SAFETY: as above.
    unsafe {
        begin(s, GLOBAL);
        let code = std::thread::spawn(move || {
            ok(cuCtxSetCurrent(context as Raw));
            end(stream_of as Raw).0
        });
        assert_eq!(code.join().unwrap(), Code::STREAM_CAPTURE_WRONG_THREAD.0);
        ok(cuEventRecord(e, s));
        ok(cuStreamWaitEvent(t, e, 0));
        assert_eq!(end(t).0, Code::STREAM_CAPTURE_UNMATCHED.0);
        assert_eq!(end(s).0, Code::STREAM_CAPTURE_INVALIDATED.0);
    }
}

#[test]
fn graphs_allocate_and_free() {
    let _own = Own::new();
    let (s, out, mut inside) = (stream(1), memory(4), 0);
    // SAFETY: as above.
    unsafe {
        begin(s, GLOBAL);
        ok(cuMemAllocAsync(&mut inside, 4, s));
        ok(cuMemsetD32Async(inside, 7, 1, s));
        ok(cuMemcpyDtoDAsync_v2(out, inside, 4, s));
        ok(cuMemFreeAsync(inside, s));
        let (code, graph) = end(s);
        ok(code);
        let e = executable(graph);
        for _ in 0..2 {
            ok(cuMemsetD32Async(out, 0, 1, s));
            ok(cuGraphLaunch(e, s));
            ok(cuStreamSynchronize(s));
            assert_eq!(read(out, 1), [7]);
            assert_eq!(cuMemsetD32_v2(inside, 0, 1), Code::INVALID_VALUE.0);
        }
        begin(s, GLOBAL);
        ok(cuMemAllocAsync(&mut inside, 4, s));
        let e = executable(end(s).1);
        ok(cuGraphLaunch(e, s));
        assert_eq!(cuGraphLaunch(e, s), Code::INVALID_VALUE.0);
        ok(cuMemsetD32Async(inside, 1, 1, s));
        ok(cuMemFreeAsync(inside, s));
        ok(cuGraphLaunch(e, s));
        ok(cuStreamSynchronize(s));
        ok(cuMemFree_v2(inside));
    }
}

#[test]
fn graphs_are_built_and_updated_by_hand() {
    let _own = Own::new();
    let (s, a) = (stream(1), memory(16));
    // The fields of CUDA_MEMSET_NODE_PARAMS: address, pitch, value and element's size, width, height.
    let fill = |value: u64, width: u64| [a, 16, value | 4 << 32, width, 1];
    // SAFETY: as above; the parameters have the layout of the structure.
    unsafe {
        let (mut graph, mut first, mut second, mut empty) = (null_mut(), null_mut(), null_mut(), null_mut());
        ok(cuGraphCreate(&mut graph, 0));
        ok(cuGraphAddMemsetNode(&mut second, graph, null(), 0, fill(2, 2).as_ptr().cast(), null_mut()));
        ok(cuGraphAddMemsetNode(&mut first, graph, null(), 0, fill(1, 4).as_ptr().cast(), null_mut()));
        ok(cuGraphAddDependencies_v2(graph, &first, &second, null_mut(), 1));
        ok(cuGraphAddEmptyNode(&mut empty, graph, &second, 1));
        let (mut kind, mut roots) = (9, 0);
        ok(cuGraphNodeGetType(empty, &mut kind));
        ok(cuGraphGetRootNodes(graph, null_mut(), &mut roots));
        assert_eq!((kind, roots), (5, 1));
        let e = executable(graph);
        ok(cuGraphLaunch(e, s));
        ok(cuStreamSynchronize(s));
        assert_eq!(read(a, 4), [2, 2, 1, 1]);

        ok(cuGraphExecMemsetNodeSetParams(e, second, fill(3, 1).as_ptr().cast(), null_mut()));
        ok(cuGraphLaunch(e, s));
        ok(cuStreamSynchronize(s));
        assert_eq!(read(a, 4), [3, 1, 1, 1]);

        let mut copy = null_mut();
        ok(cuGraphClone(&mut copy, graph));
        ok(cuGraphNodeFindInClone(&mut second, second, copy));
        ok(cuGraphMemsetNodeSetParams(second, fill(4, 3).as_ptr().cast()));
        ok(cuGraphExecUpdate_v2(e, copy, null_mut()));
        ok(cuGraphLaunch(e, s));
        ok(cuStreamSynchronize(s));
        assert_eq!(read(a, 4), [4, 4, 4, 1]);

        ok(cuGraphAddEmptyNode(&mut empty, copy, null(), 0));
        assert_eq!(cuGraphExecUpdate_v2(e, copy, null_mut()), Code::GRAPH_EXEC_UPDATE_FAILURE.0);
        ok(cuGraphAddDependencies_v2(graph, &first, &first, null_mut(), 1));
        assert_eq!(cuGraphInstantiateWithFlags(&mut copy, graph, 0), Code::INVALID_VALUE.0);
    }
}

#[test]
fn launches_in_a_capture_are_children() {
    let _own = Own::new();
    let (s, a, f) = (stream(1), memory(4), function(c"nothing"));
    let mut zero = 0u64;
    // SAFETY: as above.
    unsafe {
        begin(s, GLOBAL);
        ok(cuMemsetD32Async(a, 8, 1, s));
        ok(launch(f, s, &[(&raw mut zero).cast()]));
        let inner = executable(end(s).1);
        begin(s, GLOBAL);
        ok(cuGraphLaunch(inner, s));
        let (code, graph) = end(s);
        ok(code);
        let (mut node, mut one, mut kind) = (null_mut(), 1, 0);
        ok(cuGraphGetNodes(graph, &mut node, &mut one));
        ok(cuGraphNodeGetType(node, &mut kind));
        assert_eq!((one, kind), (1, 4));
        ok(cuMemsetD32Async(a, 0, 1, s));
        ok(cuGraphLaunch(executable(graph), s));
        ok(cuStreamSynchronize(s));
        assert_eq!(read(a, 1), [8]);
    }
}
