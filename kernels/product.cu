// out[i] = out[i] + bias[i % columns], and 0 for less where relu asks: what follows a product that cuBLASLt cannot follow
#include "dtypes.cuh"

template <class T> __device__ void add_bias(const T* bias, T* out, i64 n, i64 columns, int relu) {
    GRID_STRIDE(i, n) {
        Acc<T> y = load(out, i);
        if (bias) y += load(bias, i % columns);
        store(out, i, relu && y < 0 ? Acc<T>(0) : y);
    }
}

#define ENTRY(S, T)                                                                                       \
    extern "C" __global__ void add_bias_##S(const T* bias, T* out, i64 n, i64 columns, int relu) { \
        add_bias(bias, out, n, columns, relu);                                                            \
    }
FLOATS(ENTRY)
