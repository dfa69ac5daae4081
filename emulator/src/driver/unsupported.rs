//! The functions of the driver API that the emulator lacks: each answers `CUDA_ERROR_NOT_SUPPORTED` and says its name once.

use super::error::{Code, Error, answer};
use std::sync::Once;

macro_rules! unsupported {
    ($($name:ident),+ $(,)?) => {
        $(
            #[doc = concat!("`", stringify!($name), "`, which the emulator lacks.")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name() -> u32 {
                static ONCE: Once = Once::new();
                refuse(stringify!($name), &ONCE)
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

fn refuse(name: &str, once: &Once) -> u32 {
    once.call_once(|| eprintln!("CUDA emulator: {name} is not supported"));
    let text = format!("the emulator has no {name}");
    answer(name, || Err(Error::new(Code::NOT_SUPPORTED, text))).map_or_else(|code| code.0, |()| 0)
}

unsupported! {
    cuArray3DCreate_v2, cuArray3DGetDescriptor_v2, cuArrayCreate_v2, cuArrayDestroy, cuArrayGetDescriptor_v2,
    cuArrayGetMemoryRequirements, cuArrayGetPlane, cuArrayGetSparseProperties, cuCheckpointProcessCheckpoint,
    cuCheckpointProcessGetRestoreThreadId, cuCheckpointProcessGetState, cuCheckpointProcessLock,
    cuCheckpointProcessRestore, cuCheckpointProcessUnlock, cuCoredumpGetAttribute, cuCoredumpGetAttributeGlobal,
    cuCoredumpSetAttribute, cuCoredumpSetAttributeGlobal, cuCtxAttach, cuCtxDetach, cuCtxDisablePeerAccess,
    cuCtxFromGreenCtx, cuCtxGetDevResource, cuCtxGetExecAffinity, cuCtxGetSharedMemConfig, cuCtxRecordEvent,
    cuCtxResetPersistingL2Cache, cuCtxSetSharedMemConfig, cuCtxWaitEvent, cuDestroyExternalMemory,
    cuDestroyExternalSemaphore, cuDevResourceGenerateDesc, cuDevSmResourceSplitByCount, cuDeviceGetByPCIBusId,
    cuDeviceGetDevResource, cuDeviceGetExecAffinitySupport, cuDeviceGetGraphMemAttribute,
    cuDeviceGetHostAtomicCapabilities, cuDeviceGetLuid, cuDeviceGetNvSciSyncAttributes,
    cuDeviceGetP2PAtomicCapabilities, cuDeviceGetP2PAttribute, cuDeviceGetProperties,
    cuDeviceGetTexture1DLinearMaxWidth, cuDeviceGraphMemTrim, cuDeviceRegisterAsyncNotification,
    cuDeviceSetGraphMemAttribute, cuDeviceUnregisterAsyncNotification, cuExternalMemoryGetMappedBuffer,
    cuExternalMemoryGetMappedMipmappedArray, cuFlushGPUDirectRDMAWrites, cuFuncSetBlockShape,
    cuFuncSetSharedMemConfig, cuFuncSetSharedSize, cuGetExportTable, cuGraphAddBatchMemOpNode,
    cuGraphAddExternalSemaphoresSignalNode, cuGraphAddExternalSemaphoresWaitNode, cuGraphAddNode_v2,
    cuGraphBatchMemOpNodeGetParams, cuGraphBatchMemOpNodeSetParams, cuGraphConditionalHandleCreate,
    cuGraphDebugDotPrint, cuGraphExecBatchMemOpNodeSetParams, cuGraphExecExternalSemaphoresSignalNodeSetParams,
    cuGraphExecExternalSemaphoresWaitNodeSetParams, cuGraphExecNodeSetParams,
    cuGraphExternalSemaphoresSignalNodeGetParams, cuGraphExternalSemaphoresSignalNodeSetParams,
    cuGraphExternalSemaphoresWaitNodeGetParams, cuGraphExternalSemaphoresWaitNodeSetParams,
    cuGraphKernelNodeCopyAttributes, cuGraphKernelNodeGetAttribute, cuGraphKernelNodeSetAttribute,
    cuGraphMemAllocNodeGetParams, cuGraphMemFreeNodeGetParams, cuGraphMemcpyNodeGetParams, cuGraphNodeSetParams,
    cuGraphReleaseUserObject, cuGraphRetainUserObject, cuGraphicsMapResources,
    cuGraphicsResourceGetMappedMipmappedArray, cuGraphicsResourceGetMappedPointer_v2,
    cuGraphicsResourceSetMapFlags_v2, cuGraphicsSubResourceGetMappedArray, cuGraphicsUnmapResources,
    cuGraphicsUnregisterResource, cuGreenCtxCreate, cuGreenCtxDestroy, cuGreenCtxGetDevResource,
    cuGreenCtxGetId, cuGreenCtxRecordEvent, cuGreenCtxStreamCreate, cuGreenCtxWaitEvent, cuImportExternalMemory,
    cuImportExternalSemaphore, cuIpcCloseMemHandle, cuIpcGetEventHandle, cuIpcGetMemHandle,
    cuIpcOpenEventHandle, cuIpcOpenMemHandle_v2, cuLaunch, cuLaunchCooperativeKernel,
    cuLaunchCooperativeKernelMultiDevice, cuLaunchGrid, cuLaunchGridAsync, cuLibraryGetManaged,
    cuLibraryGetUnifiedFunction, cuLinkAddData_v2, cuLinkAddFile_v2, cuLinkComplete, cuLinkCreate_v2,
    cuLinkDestroy, cuLogsCurrent, cuLogsDumpToFile, cuLogsDumpToMemory, cuLogsRegisterCallback,
    cuLogsUnregisterCallback, cuMemAddressFree, cuMemAddressReserve, cuMemAdvise_v2, cuMemAllocManaged,
    cuMemBatchDecompressAsync, cuMemCreate, cuMemDiscardAndPrefetchBatchAsync, cuMemDiscardBatchAsync,
    cuMemExportToShareableHandle, cuMemGetAccess, cuMemGetAllocationGranularity,
    cuMemGetAllocationPropertiesFromHandle, cuMemGetDefaultMemPool, cuMemGetHandleForAddressRange,
    cuMemGetMemPool, cuMemImportFromShareableHandle, cuMemMap, cuMemMapArrayAsync, cuMemPoolExportPointer,
    cuMemPoolExportToShareableHandle, cuMemPoolImportFromShareableHandle, cuMemPoolImportPointer,
    cuMemPrefetchAsync_v2, cuMemPrefetchBatchAsync, cuMemRangeGetAttribute, cuMemRangeGetAttributes,
    cuMemRelease, cuMemRetainAllocationHandle, cuMemSetAccess, cuMemSetMemPool, cuMemUnmap,
    cuMemcpy3DBatchAsync_v2, cuMemcpyAtoA_v2, cuMemcpyAtoD_v2, cuMemcpyAtoHAsync_v2, cuMemcpyAtoH_v2,
    cuMemcpyBatchAsync_v2, cuMemcpyDtoA_v2, cuMemcpyHtoAAsync_v2, cuMemcpyHtoA_v2, cuMipmappedArrayCreate,
    cuMipmappedArrayDestroy, cuMipmappedArrayGetLevel, cuMipmappedArrayGetMemoryRequirements,
    cuMipmappedArrayGetSparseProperties, cuModuleGetSurfRef, cuModuleGetTexRef, cuMulticastAddDevice,
    cuMulticastBindAddr, cuMulticastBindMem, cuMulticastCreate, cuMulticastGetGranularity, cuMulticastUnbind,
    cuOccupancyMaxActiveClusters, cuOccupancyMaxPotentialClusterSize, cuParamSetSize, cuParamSetTexRef,
    cuParamSetf, cuParamSeti, cuParamSetv, cuSignalExternalSemaphoresAsync, cuStreamAttachMemAsync,
    cuStreamBatchMemOp_v2, cuStreamCopyAttributes, cuStreamGetCtx_v2, cuStreamGetGreenCtx,
    cuStreamWaitValue32_v2, cuStreamWaitValue64_v2, cuStreamWriteValue32_v2, cuStreamWriteValue64_v2,
    cuSurfObjectCreate, cuSurfObjectDestroy, cuSurfObjectGetResourceDesc, cuSurfRefGetArray, cuSurfRefSetArray,
    cuTensorMapEncodeIm2col, cuTensorMapEncodeIm2colWide, cuTensorMapEncodeTiled, cuTensorMapReplaceAddress,
    cuTexObjectCreate, cuTexObjectDestroy, cuTexObjectGetResourceDesc, cuTexObjectGetResourceViewDesc,
    cuTexObjectGetTextureDesc, cuTexRefCreate, cuTexRefDestroy, cuTexRefGetAddressMode, cuTexRefGetAddress_v2,
    cuTexRefGetArray, cuTexRefGetBorderColor, cuTexRefGetFilterMode, cuTexRefGetFlags, cuTexRefGetFormat,
    cuTexRefGetMaxAnisotropy, cuTexRefGetMipmapFilterMode, cuTexRefGetMipmapLevelBias,
    cuTexRefGetMipmapLevelClamp, cuTexRefGetMipmappedArray, cuTexRefSetAddress2D_v3, cuTexRefSetAddressMode,
    cuTexRefSetAddress_v2, cuTexRefSetArray, cuTexRefSetBorderColor, cuTexRefSetFilterMode, cuTexRefSetFlags,
    cuTexRefSetFormat, cuTexRefSetMaxAnisotropy, cuTexRefSetMipmapFilterMode, cuTexRefSetMipmapLevelBias,
    cuTexRefSetMipmapLevelClamp, cuTexRefSetMipmappedArray, cuUserObjectCreate, cuUserObjectRelease,
    cuUserObjectRetain, cuWaitExternalSemaphoresAsync
}
