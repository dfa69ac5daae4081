// out[r, c] = 1 where the label of r is c, else 0
#include "index.cuh"

template <class T> __device__ void one_hot(T* out, const void* labels, int size, i64 n, i64 classes) {
    GRID_STRIDE(i, n) {
        const i64 row = i / classes;
        store(out, i, index_at(labels, row, size) == i - row * classes ? Acc<T>(1) : Acc<T>(0));
    }
}

#define ENTRY(S, T)                                                                                        \
    extern "C" __global__ void one_hot_fwd_##S(T* out, const void* labels, int size, i64 n, i64 classes) { \
        one_hot(out, labels, size, n, classes);                                                            \
    }
FLOATS(ENTRY)
