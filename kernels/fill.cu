// out[i] = value
#include "dtypes.cuh"

template <class T> __device__ void fill(T* out, T value, i64 n) {
    GRID_STRIDE(i, n) out[i] = value;
}

#define ENTRY(S, T) \
    extern "C" __global__ void fill_##S(T* out, T value, i64 n) { fill(out, value, n); }
ALL_TYPES(ENTRY)
