//! The functions as a program calls them.

use super::error::{Code, lock};
use super::exports::*;
use super::handle::Raw;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, MutexGuard};

mod graphs;
mod hostile;

/// A context of the test's own, so that a fault of one test is none of another's. Tests that have one run in turn: a
/// capture forbids calls of other threads too, and a wait for everything runs everybody's work.
struct Own(Raw, #[allow(dead_code)] MutexGuard<'static, ()>);

static TURN: Mutex<()> = Mutex::new(());

fn ok(code: u32) {
    assert_eq!(code, 0, "{}", explanation(code));
}

fn explanation(code: u32) -> String {
    let mut text = null();
    // SAFETY: the pointer is written; the text lives for ever.
    unsafe {
        assert_eq!(cuGetErrorString(code, &mut text), 0);
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

impl Own {
    fn new() -> Own {
        let turn = lock(&TURN);
        let mut context = null_mut();
        // SAFETY: the handle is written.
        unsafe {
            ok(cuInit(0));
            ok(cuCtxCreate_v2(&mut context, 0, 0));
        }
        Own(context, turn)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // SAFETY: the context lives.
        ok(unsafe { cuCtxDestroy_v2(self.0) });
    }
}

/// `flags` is 1 for a stream that does not keep step with the null stream.
fn stream(flags: u32) -> Raw {
    let mut stream = null_mut();
    // SAFETY: the handle is written.
    ok(unsafe { cuStreamCreate(&mut stream, flags) });
    stream
}

fn event() -> Raw {
    let mut event = null_mut();
    // SAFETY: the handle is written.
    ok(unsafe { cuEventCreate(&mut event, 0) });
    event
}

fn memory(bytes: usize) -> u64 {
    let mut address = 0;
    // SAFETY: the address is written.
    ok(unsafe { cuMemAlloc_v2(&mut address, bytes) });
    address
}

/// Page-locked numbers, which copies read and write when they run.
fn pinned(n: usize) -> &'static mut [u32] {
    let mut pointer = null_mut();
    // SAFETY: the pointer is written, to memory that is zeroed and never freed.
    unsafe {
        ok(cuMemHostAlloc(&mut pointer, n * 4, 0));
        std::slice::from_raw_parts_mut(pointer.cast(), n)
    }
}

fn read(address: u64, n: usize) -> Vec<u32> {
    let mut values = vec![0; n];
    // SAFETY: there is room.
    ok(unsafe { cuMemcpyDtoH_v2(values.as_mut_ptr().cast(), address, n * 4) });
    values
}

/// A kernel that does nothing and one that traps, with a variable.
const PTX: &CStr = c".version 8.0
.target sm_80
.address_size 64
.global .align 4 .u32 table[4] = {5, 6};
.visible .entry nothing(.param .u64 p) { ret; }
.visible .entry traps() { trap; }
";

fn function(name: &CStr) -> Raw {
    let (mut module, mut function) = (null_mut(), null_mut());
    // SAFETY: the image ends in a zero; the handles are written.
    unsafe {
        ok(cuModuleLoadData(&mut module, PTX.as_ptr().cast()));
        ok(cuModuleGetFunction(&mut function, module, name.as_ptr()));
    }
    function
}

unsafe fn launch(function: Raw, stream: Raw, params: &[Raw]) -> u32 {
    // SAFETY: the caller gives as many parameters as the function has.
    unsafe { cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, stream, params.as_ptr(), null()) }
}

#[test]
fn nothing_runs_before_it_is_waited_for() {
    let _own = Own::new();
    let (s, a, host) = (stream(1), memory(64), pinned(1));
    // SAFETY: of this test: all handles and addresses live.
    unsafe {
        ok(cuMemsetD32Async(a, 7, 16, s));
        ok(cuMemcpyDtoHAsync_v2(host.as_mut_ptr().cast(), a, 4, s));
        assert_eq!(host[0], 0);
        assert_eq!(cuStreamQuery(s), Code::NOT_READY.0);
        ok(cuStreamQuery(s));
        assert_eq!(host[0], 7);
    }
}

#[test]
fn streams_are_ordered_by_events_alone() {
    let _own = Own::new();
    let (s, t, a, e) = (stream(1), stream(1), memory(64), event());
    // SAFETY: as above.
    unsafe {
        ok(cuMemsetD32Async(a, 1, 16, s));
        ok(cuEventRecord(e, s));
        ok(cuMemsetD32Async(a, 2, 8, t));
        ok(cuStreamSynchronize(t));
        // What the other stream does has not happened, since nobody waited for it.
        assert_eq!(read(a, 1), [2]);
        ok(cuStreamWaitEvent(t, e, 0));
        ok(cuMemsetD32Async(a, 3, 4, t));
        ok(cuStreamSynchronize(t));
        assert_eq!(read(a, 16), [3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    }
}

#[test]
fn the_null_stream_keeps_step_with_blocking_streams() {
    let _own = Own::new();
    let (blocking, other, a) = (stream(0), stream(1), memory(8));
    // SAFETY: as above.
    unsafe {
        ok(cuMemsetD32Async(a, 1, 1, blocking));
        ok(cuMemsetD32Async(a + 4, 2, 1, other));
        ok(cuMemsetD32Async(a + 4, 9, 1, null_mut()));
        ok(cuMemsetD32Async(a, 3, 1, blocking));
        // The copy is on the null stream, behind all that blocking streams were given.
        assert_eq!(read(a, 2), [3, 9]);
        ok(cuStreamSynchronize(other));
        assert_eq!(read(a, 2), [3, 2]);
    }
}

#[test]
fn pageable_memory_is_read_at_the_call_and_pinned_memory_later() {
    let _own = Own::new();
    let (s, a, host) = (stream(1), memory(8), pinned(1));
    let mut local = [1u32];
    host[0] = 1;
    // SAFETY: as above.
    unsafe {
        ok(cuMemcpyHtoDAsync_v2(a, local.as_mut_ptr().cast(), 4, s));
        ok(cuMemcpyHtoDAsync_v2(a + 4, host.as_mut_ptr().cast(), 4, s));
        (local[0], host[0]) = (2, 2);
        ok(cuStreamSynchronize(s));
    }
    assert_eq!((local[0], read(a, 2)), (2, vec![1, 2]));
}

#[test]
fn copies_and_fills_of_rows() {
    let _own = Own::new();
    let a = memory(64);
    // SAFETY: as above.
    unsafe {
        ok(cuMemsetD8_v2(a, 0, 64));
        ok(cuMemsetD2D16_v2(a, 16, 0x0102, 3, 4));
        assert_eq!(read(a + 16, 4), [0x0102_0102, 0x0102, 0, 0]);
        assert_eq!(cuMemsetD32_v2(a + 2, 0, 1), Code::INVALID_VALUE.0);
        assert_eq!(cuMemsetD32_v2(a, 0, 17), Code::INVALID_VALUE.0);
        assert!(explanation(1).contains("allocation of 64 bytes"), "{}", explanation(1));
    }
}

#[test]
fn a_bad_address_says_what_lies_there() {
    let _own = Own::new();
    let (a, mut host) = (memory(64), [0u8; 128]);
    // SAFETY: as above; the copies are refused.
    unsafe {
        assert_eq!(cuMemcpyDtoH_v2(host.as_mut_ptr().cast(), a, 65), Code::INVALID_VALUE.0);
        assert!(
            explanation(1).starts_with("invalid argument: ") && explanation(1).contains("1 byte"),
            "{}",
            explanation(1)
        );
        ok(cuMemFree_v2(a));
        assert_eq!(cuMemcpyDtoH_v2(host.as_mut_ptr().cast(), a, 1), Code::INVALID_VALUE.0);
        assert!(explanation(1).contains("was freed"), "{}", explanation(1));
        assert_eq!(cuMemFree_v2(a), Code::INVALID_VALUE.0);
        assert_eq!(cuMemcpyHtoD_v2(a, null_mut(), 1), Code::INVALID_VALUE.0);
        assert_eq!(cuStreamSynchronize(0x999_9990 as Raw), Code::INVALID_HANDLE.0);
    }
}

#[test]
fn frees_are_ordered_too() {
    let _own = Own::new();
    let (s, mut a) = (stream(1), 0);
    // SAFETY: as above.
    unsafe {
        ok(cuMemAllocAsync(&mut a, 64, s));
        ok(cuMemsetD32Async(a, 1, 16, s));
        ok(cuMemFreeAsync(a, s));
        assert_eq!(cuMemFreeAsync(a, s), Code::INVALID_VALUE.0);
        // Behind its free: what the memory was is gone when this runs.
        ok(cuMemsetD32Async(a, 1, 16, s));
        assert_eq!(cuStreamSynchronize(s), Code::ILLEGAL_ADDRESS.0);
        assert!(explanation(700).contains("was freed"), "{}", explanation(700));
        // The context is lost, with the same text at every call.
        assert_eq!(cuCtxSynchronize(), Code::ILLEGAL_ADDRESS.0);
        assert!(explanation(700).starts_with("an illegal memory access was encountered: "));
        assert_eq!(cuMemAlloc_v2(&mut a, 64), Code::ILLEGAL_ADDRESS.0);
    }
}

#[test]
fn memory_is_counted() {
    let _own = Own::new();
    let (mut before, mut total, mut after, mut a) = (0, 0, 0, 0);
    // SAFETY: as above.
    unsafe {
        ok(cuMemGetInfo_v2(&mut before, &mut total));
        assert_eq!(cuMemAlloc_v2(&mut a, total + 1), Code::OUT_OF_MEMORY.0);
        assert_eq!(cuMemAlloc_v2(&mut a, 0), Code::INVALID_VALUE.0);
        let a = memory(1 << 20);
        let (mut base, mut bytes) = (0, 0);
        ok(cuMemGetAddressRange_v2(&mut base, &mut bytes, a + 100));
        assert_eq!((base, bytes), (a, 1 << 20));
        ok(cuMemGetInfo_v2(&mut after, &mut total));
        // Other tests take and free memory meanwhile, but none so much.
        assert!(before <= total && after <= total - (1 << 20));
        let (mut kind, mut device) = (0u32, -1);
        ok(cuPointerGetAttribute((&raw mut kind).cast(), 2, a));
        ok(cuPointerGetAttribute((&raw mut device).cast(), 9, a));
        assert_eq!((kind, device), (2, 0));
        assert_eq!(cuPointerGetAttribute((&raw mut kind).cast(), 2, 12), Code::INVALID_VALUE.0);
    }
}

#[test]
fn pools_keep_what_their_threshold_says() {
    let _own = Own::new();
    let s = stream(1);
    // SAFETY: as above; the properties are of a device's pool.
    unsafe {
        let mut properties = [0u64; 11];
        properties[0] = 1;
        properties[1] = 1;
        let (mut pool, mut a) = (null_mut(), 0);
        ok(cuMemPoolCreate(&mut pool, properties.as_ptr().cast()));
        let get = |attribute| {
            let mut value = 0u64;
            ok(cuMemPoolGetAttribute(pool, attribute, (&raw mut value).cast()));
            value
        };
        ok(cuMemAllocFromPoolAsync(&mut a, 100, pool, s));
        assert_eq!((get(7), get(5)), (100, 2 << 20));
        ok(cuMemFreeAsync(a, s));
        let mut keep = 2u64 << 20;
        ok(cuMemPoolSetAttribute(pool, 4, (&raw mut keep).cast()));
        ok(cuStreamSynchronize(s));
        assert_eq!((get(7), get(8), get(5)), (0, 100, 2 << 20));
        // The largest threshold, which keeps everything.
        keep = u64::MAX;
        ok(cuMemPoolSetAttribute(pool, 4, (&raw mut keep).cast()));
        ok(cuStreamSynchronize(s));
        assert_eq!(get(5), 2 << 20);
        ok(cuMemPoolTrimTo(pool, 0));
        assert_eq!((get(5), get(6)), (0, 2 << 20));
        ok(cuMemPoolDestroy(pool));
    }
}

#[test]
fn modules_have_functions_and_variables() {
    let _own = Own::new();
    // SAFETY: as above.
    unsafe {
        let mut module = null_mut();
        ok(cuModuleLoadData(&mut module, PTX.as_ptr().cast()));
        let (mut address, mut bytes, mut f) = (0, 0, null_mut());
        ok(cuModuleGetGlobal_v2(&mut address, &mut bytes, module, c"table".as_ptr()));
        assert_eq!((bytes, read(address, 4)), (16, vec![5, 6, 0, 0]));
        assert_eq!(cuModuleGetFunction(&mut f, module, c"other".as_ptr()), Code::NOT_FOUND.0);
        assert!(explanation(500).contains("nothing, traps"), "{}", explanation(500));
        ok(cuModuleGetFunction(&mut f, module, c"nothing".as_ptr()));
        ok(cuModuleUnload(module));
        assert_eq!(launch(f, null_mut(), &[]), Code::INVALID_HANDLE.0);
    }
}

#[test]
fn a_module_that_cannot_be_loaded_says_why() {
    let _own = Own::new();
    // SAFETY: as above; the log has the room that the option says.
    unsafe {
        let (mut module, mut log, options) = (null_mut(), [0u8; 200], [5u32, 6]);
        let mut load = |image: &CStr| {
            let mut values: [Raw; 2] = [log.as_mut_ptr().cast(), 200 as Raw];
            let code = cuModuleLoadDataEx(&mut module, image.as_ptr().cast(), 2, options.as_ptr(), values.as_mut_ptr());
            (code, CStr::from_bytes_until_nul(&log).unwrap().to_string_lossy().into_owned())
        };
        let (code, log) = load(c".version 8.0\n.target sm_80\n.entry f() {\n frobnicate.u32 1; ret; }");
        assert_eq!(code, Code::INVALID_PTX.0);
        assert!(log.contains("line 4"), "{log}");
        assert!(explanation(218).contains(&log));
        assert_eq!(load(c".version 99.0\n.target sm_80\n").0, Code::UNSUPPORTED_PTX_VERSION.0);
        assert_eq!(load(c".version\n4000000000.0\n.target sm_80\n").0, Code::UNSUPPORTED_PTX_VERSION.0);
        assert_eq!(load(c".version 9.0\n.target sm_120\n").0, Code::NO_BINARY_FOR_GPU.0);
        assert_eq!(load(c"\x7fELF and so on").0, Code::NO_BINARY_FOR_GPU.0);
        assert_eq!(load(c"int main() {}").0, Code::INVALID_IMAGE.0);
    }
}

#[test]
fn launches_are_checked() {
    let _own = Own::new();
    let f = function(c"nothing");
    let mut zero = 0u64;
    let params: [Raw; 1] = [(&raw mut zero).cast()];
    // SAFETY: as above.
    unsafe {
        let try_sizes = |grid: u32, block: [u32; 3], shared| {
            let [x, y, z] = block;
            cuLaunchKernel(f, grid, 1, 1, x, y, z, shared, null_mut(), params.as_ptr(), null())
        };
        ok(try_sizes(1, [32, 1, 1], 0));
        for (grid, block, shared) in [
            (0, [32, 1, 1], 0),
            (1, [1025, 1, 1], 0),
            (1, [1, 1, 65], 0),
            (1, [32, 1, 1], 49 << 10),
            (1, [32, 0, 1], 0),
        ] {
            assert_eq!(try_sizes(grid, block, shared), Code::INVALID_VALUE.0, "{grid} {block:?} {shared}");
        }
        ok(cuFuncSetAttribute(f, 8, 100 << 10));
        ok(try_sizes(1, [32, 1, 1], 100 << 10));
        assert_eq!(cuFuncSetAttribute(f, 8, 228 << 10), Code::INVALID_VALUE.0);
        assert_eq!(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, null_mut(), null(), null()), Code::INVALID_VALUE.0);
        let mut size = 8usize;
        let extra: [Raw; 5] = [1 as Raw, (&raw mut zero).cast(), 2 as Raw, (&raw mut size).cast(), null_mut()];
        ok(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, null_mut(), null(), extra.as_ptr()));
        let (mut blocks, mut grid, mut block) = (0, 0, 0);
        ok(cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut blocks, f, 256, 100 << 10));
        assert_eq!(blocks, 2);
        ok(cuOccupancyMaxPotentialBlockSize(&mut grid, &mut block, f, None, 0, 0));
        assert_eq!(block, 1024);
        ok(cuCtxSynchronize());
    }
}

#[test]
fn a_fault_stays() {
    let _own = Own::new();
    let (f, s) = (function(c"traps"), stream(1));
    // SAFETY: as above.
    unsafe {
        ok(launch(f, s, &[]));
        assert_eq!(cuStreamSynchronize(s), Code::ILLEGAL_INSTRUCTION.0);
        assert!(explanation(715).contains("trap in kernel `traps`, block (0, 0, 0)"), "{}", explanation(715));
        assert_eq!(launch(f, s, &[]), Code::ILLEGAL_INSTRUCTION.0);
        assert_eq!(cuStreamSynchronize(null_mut()), Code::ILLEGAL_INSTRUCTION.0);
    }
}

#[test]
fn events_have_times() {
    let _own = Own::new();
    let (s, a, b, place) = (stream(1), event(), event(), memory(1 << 20));
    let mut time = -1.0;
    // SAFETY: as above.
    unsafe {
        assert_eq!(cuEventElapsedTime_v2(&mut time, a, b), Code::INVALID_HANDLE.0);
        ok(cuEventQuery(a));
        ok(cuEventRecord(a, s));
        ok(cuMemsetD8Async(place, 1, 1 << 20, s));
        ok(cuEventRecord(b, s));
        assert_eq!(cuEventElapsedTime_v2(&mut time, a, b), Code::NOT_READY.0);
        ok(cuEventElapsedTime_v2(&mut time, a, b));
        assert!(time > 0.0);
    }
}

unsafe extern "C" fn push(to: *mut c_void) {
    // SAFETY: the test gives a vector that lives.
    let to = unsafe { &mut *to.cast::<Vec<u32>>() };
    let mut device: c_int = 0;
    // SAFETY: the variable is written, but for the refusal.
    to.push(unsafe { cuCtxGetDevice(&mut device) });
}

#[test]
fn host_functions_run_in_order_and_call_nothing() {
    let _own = Own::new();
    let (s, mut seen) = (stream(1), Vec::<u32>::new());
    // SAFETY: as above; the vector lives until the stream was waited for.
    unsafe {
        ok(cuLaunchHostFunc(s, Some(push), (&raw mut seen).cast()));
        assert!(seen.is_empty());
        ok(cuStreamSynchronize(s));
    }
    assert_eq!(seen, [Code::NOT_PERMITTED.0]);
}

#[test]
fn functions_are_found_by_name() {
    // SAFETY: the pointer is written.
    unsafe {
        let (mut found, mut status) = (null_mut(), 9);
        for (name, version, expected) in [
            (c"cuMemAlloc", 12_000, cuMemAlloc_v2 as *const ()),
            (c"cuCtxCreate", 11_000, cuCtxCreate_v2 as *const ()),
            (c"cuCtxCreate", 13_000, cuCtxCreate_v4 as *const ()),
            (c"cuCtxSynchronize", 13_000, cuCtxSynchronize as *const ()),
            (c"cuGraphInstantiate", 12_000, cuGraphInstantiateWithFlags as *const ()),
            (c"cuArrayCreate", 13_000, super::unsupported::cuArrayCreate_v2 as *const ()),
        ] {
            ok(cuGetProcAddress_v2(name.as_ptr(), &mut found, version, 0, &mut status));
            assert_eq!((found.cast_const().cast(), status), (expected, 0), "{name:?} {version}");
        }
        ok(cuGetProcAddress_v2(c"cuNone".as_ptr(), &mut found, 13_000, 0, &mut status));
        assert!(found.is_null() && status == 1);
        assert_eq!(super::unsupported::cuArrayCreate_v2(), Code::NOT_SUPPORTED.0);
        assert!(explanation(801).contains("cuArrayCreate_v2"));
    }
}
