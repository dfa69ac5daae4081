// A matrix with few elements in a row, applied along an axis.
#include "dtypes.cuh"

// out[o, i, c] = sum over k of w[i, k] * x[o, start[i] + k, c], with o outer, `extent` i and `inner` c, and `count`
// elements of x along the axis. `table` has `width` numbers for each i: start[i], then w[i, .].
template <class T>
__device__ void resize(T* out, const T* x, const double* table, i64 n, i64 count, i64 extent, i64 inner, i64 width) {
    GRID_STRIDE(at, n) {
        const i64 row = at / inner, column = at - row * inner, outer = row / extent;
        const double* weights = table + (row - outer * extent) * width;
        const T* from = x + (outer * count + static_cast<i64>(weights[0])) * inner + column;
        Acc<T> sum = 0;
#pragma unroll 1
        for (i64 k = 1; k < width; ++k) sum += static_cast<Acc<T>>(weights[k]) * load(from, (k - 1) * inner);
        store(out, at, sum);
    }
}

#define ENTRY(S, T)                                                                                                   \
    extern "C" __global__ void resize_fwd_##S(T* out, const T* x, const double* table, i64 n, i64 count, i64 extent,  \
                                              i64 inner, i64 width) {                                                 \
        resize(out, x, table, n, count, extent, inner, width);                                                        \
    }
FLOATS(ENTRY)
