//! Every function of the driver API that does something: its name, its signature, and what does its work.

use super::error::answer;
use super::handle::Raw;
use super::launch::{Config, NodeParams, SharedOfBlock};
use super::params::{FillParams, HostParams, TakeParams};
use super::pool::Properties;
use super::stream::{Callback, HostFunction};
use super::transfer::{Copy2D, Copy3D};
use super::{
    capture_calls, context, device, event, executable, fill, graph, host, launch, library, memory, module, pool,
    procedure, stream, transfer,
};
use std::ffi::{c_char, c_int, c_void};

macro_rules! exports {
    ($($name:ident($($arg:ident: $ty:ty),*) => $module:ident::$function:ident;)+) => {
        $(
            #[doc = concat!("`", stringify!($name), "`, as NVIDIA's documentation of the driver API has it.")]
            #[allow(clippy::too_many_arguments)] // the driver's
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($arg: $ty),*) -> u32 {
                // SAFETY: the caller promises what the documentation of the function asks.
                match answer(stringify!($name), || unsafe { $module::$function($($arg),*) }) {
                    Ok(()) => 0,
                    Err(code) => code.0,
                }
            }
        )+

        /// The address of the function with this name.
        pub fn address(name: &str) -> Option<usize> {
            match name {
                $(stringify!($name) => Some($name as *const () as usize),)+
                _ => None,
            }
        }
    };
}

exports! {
    cuInit(flags: u32) => procedure::init;
    cuDriverGetVersion(version: *mut c_int) => device::driver_version;
    cuGetErrorName(code: u32, text: *mut *const c_char) => device::error_name;
    cuGetErrorString(code: u32, text: *mut *const c_char) => device::error_string;
    cuGetProcAddress(name: *const c_char, to: *mut Raw, version: c_int, flags: u64) => procedure::get;
    cuGetProcAddress_v2(name: *const c_char, to: *mut Raw, version: c_int, flags: u64, status: *mut u32)
        => procedure::get_v2;
    cuProfilerStart() => procedure::nothing;
    cuProfilerStop() => procedure::nothing;

    cuDeviceGet(device: *mut c_int, ordinal: c_int) => device::get_handle;
    cuDeviceGetCount(count: *mut c_int) => device::count;
    cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int) => device::name;
    cuDeviceGetUuid(uuid: *mut [u8; 16], device: c_int) => device::uuid;
    cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) => device::uuid;
    cuDeviceGetPCIBusId(id: *mut c_char, length: c_int, device: c_int) => device::pci_bus_id;
    cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) => device::total_memory;
    cuDeviceGetAttribute(value: *mut c_int, attribute: u32, device: c_int) => device::attribute;
    cuDeviceComputeCapability(major: *mut c_int, minor: *mut c_int, device: c_int) => device::compute_capability;
    cuDeviceCanAccessPeer(can: *mut c_int, device: c_int, peer: c_int) => device::can_access_peer;
    cuDeviceGetDefaultMemPool(pool: *mut Raw, device: c_int) => pool::default_of;
    cuDeviceGetMemPool(pool: *mut Raw, device: c_int) => pool::current_of;
    cuDeviceSetMemPool(device: c_int, pool: Raw) => pool::set_current_of;

    cuDevicePrimaryCtxRetain(context: *mut Raw, device: c_int) => context::primary_retain;
    cuDevicePrimaryCtxRelease_v2(device: c_int) => context::primary_release;
    cuDevicePrimaryCtxReset_v2(device: c_int) => context::primary_reset;
    cuDevicePrimaryCtxSetFlags_v2(device: c_int, flags: u32) => context::primary_set_flags;
    cuDevicePrimaryCtxGetState(device: c_int, flags: *mut u32, active: *mut c_int) => context::primary_state;
    cuCtxCreate_v2(context: *mut Raw, flags: u32, device: c_int) => context::create;
    cuCtxCreate_v3(context: *mut Raw, affinity: Raw, count: c_int, flags: u32, device: c_int) => context::create_v3;
    cuCtxCreate_v4(context: *mut Raw, params: Raw, flags: u32, device: c_int) => context::create_v4;
    cuCtxDestroy_v2(context: Raw) => context::destroy;
    cuCtxPushCurrent_v2(context: Raw) => context::push;
    cuCtxPopCurrent_v2(context: *mut Raw) => context::pop;
    cuCtxSetCurrent(context: Raw) => context::set_current;
    cuCtxGetCurrent(context: *mut Raw) => context::get_current;
    cuCtxGetDevice(device: *mut c_int) => context::get_device;
    cuCtxGetDevice_v2(device: *mut c_int, context: Raw) => context::get_device_of;
    cuCtxGetFlags(flags: *mut u32) => context::get_flags;
    cuCtxSetFlags(flags: u32) => context::set_flags;
    cuCtxGetId(context: Raw, number: *mut u64) => context::get_id;
    cuCtxGetApiVersion(context: Raw, version: *mut u32) => context::api_version;
    cuCtxSynchronize() => stream::synchronize_context;
    cuCtxSynchronize_v2(context: Raw) => stream::synchronize_context_of;
    cuCtxGetLimit(value: *mut usize, limit: u32) => context::get_limit;
    cuCtxSetLimit(limit: u32, value: usize) => context::set_limit;
    cuCtxGetCacheConfig(config: *mut u32) => context::get_cache_config;
    cuCtxSetCacheConfig(config: u32) => context::set_cache_config;
    cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) => context::priority_range;
    cuCtxEnablePeerAccess(peer: Raw, flags: u32) => context::enable_peer_access;

    cuModuleLoad(module: *mut Raw, name: *const c_char) => module::load_file;
    cuModuleLoadData(module: *mut Raw, image: *const c_void) => module::load_data;
    cuModuleLoadDataEx(module: *mut Raw, image: *const c_void, count: u32, options: *const u32, values: *mut Raw)
        => module::load_data_with;
    cuModuleLoadFatBinary(module: *mut Raw, image: *const c_void) => module::load_data;
    cuModuleUnload(module: Raw) => module::unload;
    cuModuleGetLoadingMode(mode: *mut u32) => module::loading_mode;
    cuModuleGetFunction(function: *mut Raw, module: Raw, name: *const c_char) => module::get_function;
    cuModuleGetFunctionCount(count: *mut u32, module: Raw) => module::function_count;
    cuModuleEnumerateFunctions(functions: *mut Raw, count: u32, module: Raw) => module::enumerate;
    cuModuleGetGlobal_v2(address: *mut u64, bytes: *mut usize, module: Raw, name: *const c_char) => module::get_global;

    cuLibraryLoadData(
        library: *mut Raw, code: *const c_void, options: *const u32, values: *mut Raw, count: u32,
        library_options: Raw, library_values: Raw, library_count: u32
    ) => library::load_data;
    cuLibraryLoadFromFile(
        library: *mut Raw, name: *const c_char, options: *const u32, values: *mut Raw, count: u32,
        library_options: Raw, library_values: Raw, library_count: u32
    ) => library::load_file;
    cuLibraryUnload(library: Raw) => library::unload;
    cuLibraryGetKernel(kernel: *mut Raw, library: Raw, name: *const c_char) => library::get_kernel;
    cuLibraryGetKernelCount(count: *mut u32, library: Raw) => library::kernel_count;
    cuLibraryEnumerateKernels(kernels: *mut Raw, count: u32, library: Raw) => library::enumerate;
    cuLibraryGetModule(module: *mut Raw, library: Raw) => library::get_module;
    cuLibraryGetGlobal(address: *mut u64, bytes: *mut usize, library: Raw, name: *const c_char) => library::get_global;
    cuKernelGetFunction(function: *mut Raw, kernel: Raw) => library::kernel_function;
    cuKernelGetLibrary(library: *mut Raw, kernel: Raw) => library::kernel_library;
    cuKernelGetName(name: *mut *const c_char, kernel: Raw) => library::kernel_name;
    cuKernelGetParamInfo(kernel: Raw, index: usize, offset: *mut usize, bytes: *mut usize) => launch::param_info;
    cuKernelGetAttribute(value: *mut c_int, attribute: u32, kernel: Raw, device: c_int) => library::kernel_attribute;
    cuKernelSetAttribute(attribute: u32, value: c_int, kernel: Raw, device: c_int) => library::set_kernel_attribute;
    cuKernelSetCacheConfig(kernel: Raw, config: u32, device: c_int) => library::set_kernel_cache_config;

    cuFuncGetAttribute(value: *mut c_int, attribute: u32, function: Raw) => launch::get_attribute;
    cuFuncSetAttribute(function: Raw, attribute: u32, value: c_int) => launch::set_attribute;
    cuFuncSetCacheConfig(function: Raw, config: u32) => launch::set_cache_config;
    cuFuncGetModule(module: *mut Raw, function: Raw) => launch::get_module;
    cuFuncGetName(name: *mut *const c_char, function: Raw) => launch::get_name;
    cuFuncGetParamInfo(function: Raw, index: usize, offset: *mut usize, bytes: *mut usize) => launch::param_info;
    cuFuncIsLoaded(state: *mut u32, function: Raw) => launch::is_loaded;
    cuFuncLoad(function: Raw) => launch::load;
    cuLaunchKernel(
        function: Raw, x: u32, y: u32, z: u32, block_x: u32, block_y: u32, block_z: u32, shared: u32, stream: Raw,
        params: *const Raw, extra: *const Raw
    ) => launch::launch;
    cuLaunchKernelEx(config: *const Config, function: Raw, params: *const Raw, extra: *const Raw) => launch::launch_ex;
    cuLaunchHostFunc(stream: Raw, function: Option<HostFunction>, data: *mut c_void) => stream::launch_host_function;
    cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks: *mut c_int, function: Raw, threads: c_int, shared: usize)
        => launch::max_active_blocks;
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        blocks: *mut c_int, function: Raw, threads: c_int, shared: usize, flags: u32
    ) => launch::max_active_blocks_with_flags;
    cuOccupancyMaxPotentialBlockSize(
        grid: *mut c_int, block: *mut c_int, function: Raw, shared_of: Option<SharedOfBlock>, shared: usize,
        limit: c_int
    ) => launch::max_potential_block;
    cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid: *mut c_int, block: *mut c_int, function: Raw, shared_of: Option<SharedOfBlock>, shared: usize,
        limit: c_int, flags: u32
    ) => launch::max_potential_block_with_flags;
    cuOccupancyAvailableDynamicSMemPerBlock(bytes: *mut usize, function: Raw, blocks: c_int, threads: c_int)
        => launch::available_shared;

    cuMemGetInfo_v2(free: *mut usize, total: *mut usize) => memory::info;
    cuMemAlloc_v2(pointer: *mut u64, bytes: usize) => memory::allocate;
    cuMemAllocPitch_v2(pointer: *mut u64, pitch: *mut usize, width: usize, height: usize, element: u32)
        => memory::allocate_pitch;
    cuMemFree_v2(address: u64) => memory::free;
    cuMemAllocAsync(pointer: *mut u64, bytes: usize, stream: Raw) => memory::allocate_async;
    cuMemAllocFromPoolAsync(pointer: *mut u64, bytes: usize, pool: Raw, stream: Raw) => memory::allocate_from_pool;
    cuMemFreeAsync(address: u64, stream: Raw) => memory::free_async;
    cuMemGetAddressRange_v2(base: *mut u64, bytes: *mut usize, address: u64) => memory::address_range;
    cuPointerGetAttribute(to: Raw, attribute: u32, address: u64) => memory::pointer_attribute;
    cuPointerGetAttributes(count: u32, attributes: *const u32, to: *const Raw, address: u64)
        => memory::pointer_attributes;
    cuPointerSetAttribute(value: Raw, attribute: u32, address: u64) => memory::set_pointer_attribute;
    cuMemPoolCreate(pool: *mut Raw, properties: *const Properties) => pool::create_handle;
    cuMemPoolDestroy(pool: Raw) => pool::destroy;
    cuMemPoolTrimTo(pool: Raw, keep: usize) => pool::trim_to;
    cuMemPoolSetAttribute(pool: Raw, attribute: u32, value: Raw) => pool::set_attribute;
    cuMemPoolGetAttribute(pool: Raw, attribute: u32, value: Raw) => pool::get_attribute;
    cuMemPoolSetAccess(pool: Raw, access: Raw, count: usize) => pool::set_access;
    cuMemPoolGetAccess(flags: *mut u32, pool: Raw, location: *const [c_int; 2]) => pool::get_access;
    cuMemAllocHost_v2(pointer: *mut Raw, bytes: usize) => host::allocate;
    cuMemHostAlloc(pointer: *mut Raw, bytes: usize, flags: u32) => host::allocate_with_flags;
    cuMemFreeHost(pointer: Raw) => host::free;
    cuMemHostRegister_v2(pointer: Raw, bytes: usize, flags: u32) => host::register;
    cuMemHostUnregister(pointer: Raw) => host::unregister;
    cuMemHostGetFlags(flags: *mut u32, pointer: Raw) => host::get_flags;
    cuMemHostGetDevicePointer_v2(to: *mut u64, pointer: Raw, flags: u32) => host::device_pointer;

    cuMemcpy(to: u64, from: u64, bytes: usize) => transfer::unified;
    cuMemcpyAsync(to: u64, from: u64, bytes: usize, stream: Raw) => transfer::unified_async;
    cuMemcpyHtoD_v2(to: u64, from: Raw, bytes: usize) => transfer::to_device;
    cuMemcpyHtoDAsync_v2(to: u64, from: Raw, bytes: usize, stream: Raw) => transfer::to_device_async;
    cuMemcpyDtoH_v2(to: Raw, from: u64, bytes: usize) => transfer::to_host;
    cuMemcpyDtoHAsync_v2(to: Raw, from: u64, bytes: usize, stream: Raw) => transfer::to_host_async;
    cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) => transfer::on_device;
    cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Raw) => transfer::on_device_async;
    cuMemcpyPeer(to: u64, to_context: Raw, from: u64, from_context: Raw, bytes: usize) => transfer::peer;
    cuMemcpyPeerAsync(to: u64, to_context: Raw, from: u64, from_context: Raw, bytes: usize, stream: Raw)
        => transfer::peer_async;
    cuMemcpy2D_v2(copy: *const Copy2D) => transfer::copy_2d;
    cuMemcpy2DUnaligned_v2(copy: *const Copy2D) => transfer::copy_2d;
    cuMemcpy2DAsync_v2(copy: *const Copy2D, stream: Raw) => transfer::copy_2d_async;
    cuMemcpy3D_v2(copy: *const Copy3D) => transfer::copy_3d;
    cuMemcpy3DAsync_v2(copy: *const Copy3D, stream: Raw) => transfer::copy_3d_async;
    cuMemcpy3DPeer(copy: *const Copy3D) => transfer::copy_3d;
    cuMemcpy3DPeerAsync(copy: *const Copy3D, stream: Raw) => transfer::copy_3d_async;
    cuMemsetD8_v2(to: u64, value: u8, count: usize) => fill::fill_8;
    cuMemsetD16_v2(to: u64, value: u16, count: usize) => fill::fill_16;
    cuMemsetD32_v2(to: u64, value: u32, count: usize) => fill::fill_32;
    cuMemsetD8Async(to: u64, value: u8, count: usize, stream: Raw) => fill::fill_8_async;
    cuMemsetD16Async(to: u64, value: u16, count: usize, stream: Raw) => fill::fill_16_async;
    cuMemsetD32Async(to: u64, value: u32, count: usize, stream: Raw) => fill::fill_32_async;
    cuMemsetD2D8_v2(to: u64, pitch: usize, value: u8, width: usize, height: usize) => fill::fill_2d_8;
    cuMemsetD2D16_v2(to: u64, pitch: usize, value: u16, width: usize, height: usize) => fill::fill_2d_16;
    cuMemsetD2D32_v2(to: u64, pitch: usize, value: u32, width: usize, height: usize) => fill::fill_2d_32;
    cuMemsetD2D8Async(to: u64, pitch: usize, value: u8, width: usize, height: usize, stream: Raw)
        => fill::fill_2d_8_async;
    cuMemsetD2D16Async(to: u64, pitch: usize, value: u16, width: usize, height: usize, stream: Raw)
        => fill::fill_2d_16_async;
    cuMemsetD2D32Async(to: u64, pitch: usize, value: u32, width: usize, height: usize, stream: Raw)
        => fill::fill_2d_32_async;

    cuStreamCreate(stream: *mut Raw, flags: u32) => stream::create;
    cuStreamCreateWithPriority(stream: *mut Raw, flags: u32, priority: c_int) => stream::create_with_priority;
    cuStreamDestroy_v2(stream: Raw) => stream::destroy;
    cuStreamSynchronize(stream: Raw) => stream::synchronize;
    cuStreamQuery(stream: Raw) => stream::query;
    cuStreamWaitEvent(stream: Raw, event: Raw, flags: u32) => stream::wait_event;
    cuStreamAddCallback(stream: Raw, callback: Option<Callback>, data: *mut c_void, flags: u32) => stream::add_callback;
    cuStreamGetFlags(stream: Raw, flags: *mut u32) => stream::get_flags;
    cuStreamGetPriority(stream: Raw, priority: *mut c_int) => stream::get_priority;
    cuStreamGetId(stream: Raw, number: *mut u64) => stream::get_id;
    cuStreamGetDevice(stream: Raw, device: *mut c_int) => stream::get_device;
    cuStreamGetCtx(stream: Raw, context: *mut Raw) => stream::get_context;
    cuStreamGetAttribute(stream: Raw, attribute: u32, value: *mut [u8; 64]) => stream::get_attribute;
    cuStreamSetAttribute(stream: Raw, attribute: u32, value: *const [u8; 64]) => stream::set_attribute;
    cuEventCreate(event: *mut Raw, flags: u32) => event::create;
    cuEventDestroy_v2(event: Raw) => event::destroy;
    cuEventRecord(event: Raw, stream: Raw) => stream::record_event;
    cuEventRecordWithFlags(event: Raw, stream: Raw, flags: u32) => stream::record_event_with_flags;
    cuEventSynchronize(event: Raw) => event::synchronize;
    cuEventQuery(event: Raw) => event::query;
    cuEventElapsedTime(milliseconds: *mut f32, start: Raw, end: Raw) => event::elapsed;
    cuEventElapsedTime_v2(milliseconds: *mut f32, start: Raw, end: Raw) => event::elapsed;

    cuStreamBeginCapture_v2(stream: Raw, mode: u32) => capture_calls::begin;
    cuStreamBeginCaptureToGraph(
        stream: Raw, graph: Raw, after: *const Raw, edges: Raw, count: usize, mode: u32
    ) => capture_calls::begin_to_graph;
    cuStreamEndCapture(stream: Raw, graph: *mut Raw) => capture_calls::end;
    cuStreamIsCapturing(stream: Raw, status: *mut u32) => capture_calls::is_capturing_stream;
    cuStreamGetCaptureInfo_v2(
        stream: Raw, status: *mut u32, number: *mut u64, graph: *mut Raw, after: *mut *const Raw, count: *mut usize
    ) => capture_calls::info_v2;
    cuStreamGetCaptureInfo_v3(
        stream: Raw, status: *mut u32, number: *mut u64, graph: *mut Raw, after: *mut *const Raw, edges: *mut Raw,
        count: *mut usize
    ) => capture_calls::info_v3;
    cuStreamUpdateCaptureDependencies(stream: Raw, after: *const Raw, count: usize, flags: u32)
        => capture_calls::update_dependencies;
    cuStreamUpdateCaptureDependencies_v2(stream: Raw, after: *const Raw, edges: Raw, count: usize, flags: u32)
        => capture_calls::update_dependencies_v2;
    cuThreadExchangeStreamCaptureMode(mode: *mut u32) => capture_calls::exchange_mode;

    cuGraphCreate(graph: *mut Raw, flags: u32) => graph::create;
    cuGraphDestroy(graph: Raw) => graph::destroy;
    cuGraphClone(copy: *mut Raw, graph: Raw) => graph::duplicate;
    cuGraphNodeFindInClone(node: *mut Raw, original: Raw, copy: Raw) => graph::find_in_clone;
    cuGraphAddKernelNode_v2(
        node: *mut Raw, graph: Raw, after: *const Raw, count: usize, params: *const NodeParams
    ) => graph::add_kernel;
    cuGraphAddMemcpyNode(
        node: *mut Raw, graph: Raw, after: *const Raw, count: usize, params: *const Copy3D, context: Raw
    ) => graph::add_copy;
    cuGraphAddMemsetNode(
        node: *mut Raw, graph: Raw, after: *const Raw, count: usize, params: *const FillParams, context: Raw
    ) => graph::add_fill;
    cuGraphAddHostNode(
        node: *mut Raw, graph: Raw, after: *const Raw, count: usize, params: *const HostParams
    ) => graph::add_host;
    cuGraphAddEmptyNode(node: *mut Raw, graph: Raw, after: *const Raw, count: usize) => graph::add_empty;
    cuGraphAddChildGraphNode(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, child: Raw)
        => graph::add_child;
    cuGraphChildGraphNodeGetGraph(node: Raw, graph: *mut Raw) => graph::child_graph;
    cuGraphAddEventRecordNode(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, event: Raw)
        => graph::add_record;
    cuGraphEventRecordNodeGetEvent(node: Raw, event: *mut Raw) => graph::get_event;
    cuGraphEventRecordNodeSetEvent(node: Raw, event: Raw) => graph::set_record_event;
    cuGraphAddEventWaitNode(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, event: Raw)
        => graph::add_await;
    cuGraphEventWaitNodeGetEvent(node: Raw, event: *mut Raw) => graph::get_event;
    cuGraphEventWaitNodeSetEvent(node: Raw, event: Raw) => graph::set_await_event;
    cuGraphAddMemAllocNode(
        node: *mut Raw, graph: Raw, after: *const Raw, count: usize, params: *mut TakeParams
    ) => graph::add_take;
    cuGraphAddMemFreeNode(node: *mut Raw, graph: Raw, after: *const Raw, count: usize, address: u64)
        => graph::add_give_back;
    cuGraphNodeGetType(node: Raw, kind: *mut u32) => graph::node_type;
    cuGraphGetNodes(graph: Raw, nodes: *mut Raw, count: *mut usize) => graph::get_nodes;
    cuGraphGetRootNodes(graph: Raw, nodes: *mut Raw, count: *mut usize) => graph::get_root_nodes;
    cuGraphGetEdges_v2(graph: Raw, from: *mut Raw, to: *mut Raw, data: Raw, count: *mut usize) => graph::get_edges;
    cuGraphNodeGetDependencies_v2(node: Raw, to: *mut Raw, data: Raw, count: *mut usize) => graph::get_dependencies;
    cuGraphNodeGetDependentNodes_v2(node: Raw, to: *mut Raw, data: Raw, count: *mut usize) => graph::get_dependents;
    cuGraphAddDependencies_v2(graph: Raw, from: *const Raw, to: *const Raw, data: Raw, count: usize)
        => graph::add_dependencies;
    cuGraphRemoveDependencies_v2(graph: Raw, from: *const Raw, to: *const Raw, data: Raw, count: usize)
        => graph::remove_dependencies;
    cuGraphDestroyNode(node: Raw) => graph::destroy_node;
    cuGraphKernelNodeGetParams_v2(node: Raw, params: *mut NodeParams) => graph::kernel_params;
    cuGraphKernelNodeSetParams_v2(node: Raw, params: *const NodeParams) => graph::set_kernel_params;
    cuGraphMemcpyNodeSetParams(node: Raw, params: *const Copy3D) => graph::set_copy_params;
    cuGraphMemsetNodeGetParams(node: Raw, params: *mut FillParams) => graph::fill_params;
    cuGraphMemsetNodeSetParams(node: Raw, params: *const FillParams) => graph::set_fill_params;
    cuGraphHostNodeGetParams(node: Raw, params: *mut HostParams) => graph::host_params;
    cuGraphHostNodeSetParams(node: Raw, params: *const HostParams) => graph::set_host_params;
    cuGraphInstantiate_v2(executable: *mut Raw, graph: Raw, node: *mut Raw, log: *mut c_char, room: usize)
        => executable::instantiate_v2;
    cuGraphInstantiateWithFlags(executable: *mut Raw, graph: Raw, flags: u64) => executable::instantiate;
    cuGraphInstantiateWithParams(executable: *mut Raw, graph: Raw, params: *mut executable::InstantiateParams)
        => executable::instantiate_with;
    cuGraphExecGetFlags(executable: Raw, flags: *mut u64) => executable::get_flags;
    cuGraphExecDestroy(executable: Raw) => executable::destroy_executable;
    cuGraphUpload(executable: Raw, stream: Raw) => executable::upload;
    cuGraphLaunch(executable: Raw, stream: Raw) => executable::launch;
    cuGraphExecUpdate_v2(executable: Raw, graph: Raw, info: *mut executable::UpdateResult) => executable::update;
    cuGraphExecKernelNodeSetParams_v2(executable: Raw, node: Raw, params: *const NodeParams) => executable::replace_kernel;
    cuGraphExecMemcpyNodeSetParams(executable: Raw, node: Raw, params: *const Copy3D, context: Raw)
        => executable::replace_copy;
    cuGraphExecMemsetNodeSetParams(executable: Raw, node: Raw, params: *const FillParams, context: Raw)
        => executable::replace_fill;
    cuGraphExecHostNodeSetParams(executable: Raw, node: Raw, params: *const HostParams) => executable::replace_host;
    cuGraphExecChildGraphNodeSetParams(executable: Raw, node: Raw, child: Raw) => executable::replace_child;
    cuGraphExecEventRecordNodeSetEvent(executable: Raw, node: Raw, event: Raw) => executable::replace_record;
    cuGraphExecEventWaitNodeSetEvent(executable: Raw, node: Raw, event: Raw) => executable::replace_await;
    cuGraphNodeSetEnabled(executable: Raw, node: Raw, enabled: u32) => executable::set_enabled;
    cuGraphNodeGetEnabled(executable: Raw, node: Raw, enabled: *mut u32) => executable::get_enabled;
}
