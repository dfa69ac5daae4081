// out = condition ? a : b element by element, with broadcasting.
#include "axes.cuh"

template <class T>
__device__ __forceinline__ void select(const bool* condition, const T* a, const T* b, T* out, i64 n, i64 rank,
                                       const Eight& dims, const Eight (&strides)[3]) {
    if (rank == 1) {
        const i64 step_c = strides[0].at[0], step_a = strides[1].at[0], step_b = strides[2].at[0];
        GRID_STRIDE(i, n) out[i] = condition[i * step_c] ? a[i * step_a] : b[i * step_b];
    } else {
        GRID_STRIDE(i, n) {
            i64 at[3];
            offsets(i, n, dims, strides, at);
            out[i] = condition[at[0]] ? a[at[1]] : b[at[2]];
        }
    }
}

#define ENTRY(S, T)                                                                                              \
    extern "C" __global__ void select_fwd_##S(const bool* condition, const T* a, const T* b, T* out, i64 n,      \
                                              i64 rank, EIGHT(d), EIGHT(c), EIGHT(p), EIGHT(q)) {                \
        select(condition, a, b, out, n, rank, EIGHT_OF(d), {EIGHT_OF(c), EIGHT_OF(p), EIGHT_OF(q)});             \
    }
ALL_TYPES(ENTRY)
