// out[i] = a[i] + b[i]
#include "dtypes.cuh"

template <class T> __device__ void accumulate(const T* a, const T* b, T* out, i64 n) {
    GRID_STRIDE(i, n) store(out, i, load(a, i) + load(b, i));
}

#define ENTRY(S, T)                                                                            \
    extern "C" __global__ void accumulate_##S(const T* a, const T* b, T* out, i64 n) { \
        accumulate(a, b, out, n);                                                              \
    }
FLOATS(ENTRY)
