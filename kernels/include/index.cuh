// Indices and class labels, whose dtype a kernel learns from the size: uint8, int32 or int64.
#pragma once
#include "dtypes.cuh"

__device__ __forceinline__ i64 index_at(const void* indices, i64 i, int size) {
    switch (size) {
        case 1: return static_cast<const u8*>(indices)[i];
        case 4: return static_cast<const int*>(indices)[i];
        default: return static_cast<const i64*>(indices)[i];
    }
}

__device__ __forceinline__ bool in_range(i64 index, i64 limit) {
    return 0 <= index && index < limit;
}
