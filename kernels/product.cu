// out[i] = out[i] + bias[i % columns]: what follows a product to which cuBLASLt cannot add it
#include "dtypes.cuh"

template <class T> __device__ void add_bias(const T* bias, T* out, i64 n, i64 columns) {
    GRID_STRIDE(i, n) store(out, i, load(out, i) + load(bias, i % columns));
}

#define ENTRY(S, T)                                                                                \
    extern "C" __global__ void add_bias_##S(const T* bias, T* out, i64 n, i64 columns) {           \
        add_bias(bias, out, n, columns);                                                           \
    }
FLOATS(ENTRY)
