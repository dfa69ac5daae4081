//! What a program gets wrong: handles, sizes and pointers that are none. Each is an error, and no panic.

use super::*;

const VALUE: u32 = Code::INVALID_VALUE.0;
const HANDLE: u32 = Code::INVALID_HANDLE.0;

/// `CUDA_MEMCPY2D`, from device memory, or from the host, to device memory: each field takes eight bytes.
fn rows(from: [u64; 3], to: u64, pitch: u64, [width, height]: [u64; 2]) -> [u64; 16] {
    let [kind, address, x] = from;
    let (host, device) = if kind == 1 { (address, 0) } else { (0, address) };
    [x, 0, kind, host, device, 0, pitch, 0, 0, 2, 0, to, 0, pitch, width, height]
}

/// `CUDA_MEMCPY3D` within device memory, of slices of `rows` rows.
fn slices(at: u64, pitch: u64, rows: u64, extent: [u64; 3]) -> [u64; 25] {
    let side = [0, 0, 0, 0, 2, 0, at, 0, 0, pitch, rows];
    let mut copy = [0; 25];
    copy[..11].copy_from_slice(&side);
    copy[11..22].copy_from_slice(&side);
    copy[22..].copy_from_slice(&extent);
    copy
}

#[test]
fn handles_that_are_none() {
    let _own = Own::new();
    let (mut out, mut time) = (null_mut(), 0.0);
    for wrong in [null_mut(), std::ptr::without_provenance_mut(0xbad)] {
        // SAFETY: of this test: what is written is there, and no handle is read as memory.
        unsafe {
            assert_eq!(cuEventRecord(wrong, null_mut()), HANDLE);
            assert_eq!(cuEventQuery(wrong), HANDLE);
            assert_eq!(cuEventElapsedTime_v2(&mut time, wrong, wrong), HANDLE);
            assert_eq!(cuEventDestroy_v2(wrong), HANDLE);
            assert_eq!(cuStreamDestroy_v2(wrong), HANDLE);
            assert_eq!(cuStreamWaitEvent(null_mut(), wrong, 0), HANDLE);
            assert_eq!(cuModuleUnload(wrong), HANDLE);
            assert_eq!(cuModuleGetFunction(&mut out, wrong, c"f".as_ptr()), HANDLE);
            assert_eq!(launch(wrong, null_mut(), &[]), HANDLE);
            assert_eq!(cuCtxPushCurrent_v2(wrong), Code::INVALID_CONTEXT.0);
            assert_eq!(cuMemcpyPeer(0, wrong, 0, wrong, 4), Code::INVALID_CONTEXT.0);
            assert_ne!(cuGraphLaunch(wrong, null_mut()), 0);
            assert_ne!(cuGraphInstantiateWithFlags(&mut out, wrong, 0), 0);
        }
    }
    let (s, e) = (stream(1), event());
    // SAFETY: as above.
    unsafe {
        assert_eq!(cuStreamWaitEvent(s, e, 2), VALUE);
        assert_eq!(cuEventRecordWithFlags(e, s, 2), VALUE);
        let mut value = [0u8; 64];
        ok(cuStreamGetAttribute(s, 8, &mut value));
        assert_eq!(cuStreamGetAttribute(s, 2, &mut value), VALUE);
        ok(cuStreamDestroy_v2(s));
        assert_eq!(cuStreamDestroy_v2(s), HANDLE);
    }
}

#[test]
fn a_context_that_was_destroyed() {
    let own = Own::new();
    let (mut other, mut popped) = (null_mut(), null_mut());
    // SAFETY: as above.
    unsafe {
        ok(cuCtxCreate_v2(&mut other, 0, 0));
        let (s, e) = (stream(1), event());
        ok(cuCtxPopCurrent_v2(&mut popped));
        ok(cuCtxDestroy_v2(other));
        assert_eq!(cuStreamSynchronize(s), Code::CONTEXT_IS_DESTROYED.0);
        assert_eq!(cuEventQuery(e), Code::CONTEXT_IS_DESTROYED.0);
    }
    drop(own);
}

#[test]
fn sizes_beyond_all_memory() {
    let _own = Own::new();
    let (a, s) = (memory(64), stream(1));
    let (mut word, mut graph, mut node, mut address) = (0u32, null_mut(), null_mut(), 0);
    let host: Raw = (&raw mut word).cast();
    let out_of_memory = Code::OUT_OF_MEMORY.0;
    // SAFETY: as above; the parameters have the layouts of the structures.
    unsafe {
        ok(cuGraphCreate(&mut graph, 0));
        for capturing in [false, true] {
            if capturing {
                ok(cuStreamBeginCapture_v2(s, 2));
            }
            assert_eq!(cuMemcpyHtoDAsync_v2(a, host, usize::MAX, s), VALUE);
            assert_eq!(cuMemsetD32Async(a, 0, 1 << 62, s), VALUE);
            assert_eq!(cuMemsetD2D8Async(a, 1 << 40, 0, 4, 1 << 40, s), VALUE);
            assert_eq!(cuMemcpy2DAsync_v2(rows([2, a, 0], a, 1 << 40, [4, 1 << 40]).as_ptr().cast(), s), VALUE);
            let folded = slices(a, 4, 1, [4, 1 << 32, 1 << 32]);
            assert_eq!(cuMemcpy3DAsync_v2(folded.as_ptr().cast(), s), VALUE);
            assert_eq!(cuMemAllocAsync(&mut address, usize::MAX, s), out_of_memory);
        }
        ok(cuStreamEndCapture(s, &mut graph));
        let wide: [u64; 5] = [a, 0, 4 << 32, 1 << 62, 1];
        assert_eq!(cuGraphAddMemsetNode(&mut node, graph, null(), 0, wide.as_ptr().cast(), null_mut()), VALUE);
        assert_eq!(cuGraphAddEmptyNode(&mut node, graph, &node, usize::MAX), VALUE);
        assert_eq!(cuMemAlloc_v2(&mut address, usize::MAX), out_of_memory);
        assert_eq!(cuMemHostRegister_v2(host, usize::MAX, 0), VALUE);
        let f = function(c"nothing");
        assert_eq!(cuLaunchKernel(f, 1, 1, 1, !0, !0, !0, 0, null_mut(), null(), null()), VALUE);
        let mut blocks = 9;
        ok(cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut blocks, f, 256, usize::MAX));
        assert_eq!(blocks, 0);
        // A node that copies nothing, however many times.
        let nothing = slices(a, 0, 0, [0, 1 << 40, 1 << 40]);
        ok(cuGraphAddMemcpyNode(&mut node, graph, null(), 0, nothing.as_ptr().cast(), null_mut()));
        let mut e = null_mut();
        ok(cuGraphInstantiateWithFlags(&mut e, graph, 0));
        ok(cuGraphLaunch(e, s));
        ok(cuStreamSynchronize(s));
    }
}

#[test]
fn null_pointers() {
    let _own = Own::new();
    let (a, s, f) = (memory(64), stream(1), function(c"nothing"));
    let (mut graph, mut node, mut zero) = (null_mut(), null_mut(), 0u64);
    let params: [Raw; 1] = [(&raw mut zero).cast()];
    // SAFETY: as above.
    unsafe {
        let beside = rows([1, 0, 16], a, 16, [4, 1]);
        assert_eq!(cuMemcpy2D_v2(beside.as_ptr().cast()), VALUE);
        assert_eq!(cuMemcpy2D_v2(null()), VALUE);
        assert_eq!(cuMemHostAlloc(null_mut(), 64, 0), VALUE);
        assert_eq!(cuEventCreate(null_mut(), 0), VALUE);
        ok(cuStreamBeginCapture_v2(s, 2));
        assert_eq!(cuMemcpyHtoDAsync_v2(a, null_mut(), 4, s), VALUE);
        assert_eq!(cuMemcpyDtoHAsync_v2(null_mut(), a, 4, s), VALUE);
        ok(cuStreamEndCapture(s, &mut graph));
        assert_eq!(cuGraphAddKernelNode_v2(&mut node, graph, null(), 0, null()), VALUE);
        let extra: [Raw; 3] = [2 as Raw, null_mut(), null_mut()];
        assert_eq!(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, s, null(), extra.as_ptr()), VALUE);
        let extra: [Raw; 1] = [null_mut()];
        assert_eq!(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, s, params.as_ptr(), extra.as_ptr()), VALUE);
    }
}

/// Values of a thread call the driver when the thread ends, after what the driver keeps for the thread would be gone.
#[test]
fn destructors_of_a_thread() {
    struct Late(std::cell::Cell<Option<Raw>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let mut context = null_mut();
            // SAFETY: the handle is written.
            let answers = unsafe { [cuCtxGetCurrent(&mut context), cuEventQuery(null_mut())] };
            if (answers, Some(context)) != ([0, HANDLE], self.0.get()) {
                // A panic in a destructor of a thread says less.
                eprintln!("{answers:?}, {context:p}");
                std::process::abort();
            }
        }
    }
    thread_local! {
        static LATE: Late = const { Late(std::cell::Cell::new(None)) };
    }
    let own = Own::new();
    let context = own.0.expose_provenance();
    std::thread::spawn(move || {
        let context: Raw = std::ptr::with_exposed_provenance_mut(context);
        LATE.with(|late| late.0.set(Some(context)));
        // SAFETY: the context lives; an unknown event.
        unsafe {
            ok(cuCtxSetCurrent(context));
            assert_eq!(cuEventQuery(null_mut()), HANDLE);
        }
    })
    .join()
    .unwrap();
}
