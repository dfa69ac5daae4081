// Convolutions by multiply-adds: f32 that stays f32, and f64.
#include "conv.cuh"

CONVOLUTIONS(wide, f32, float, false, 128, 64, 4)
CONVOLUTIONS(narrow, f32, float, false, 128, 32, 4)
CONVOLUTIONS(gather, f32, float, false, 32, 64, 1)
CONVOLUTIONS(gather, f64, double, false, 64, 32, 1)

// out[i] = Σ parts[s, i] over the splits s, in their order.
template <class T> __device__ void add_parts(T* out, const Acc<T>* parts, i64 n, i64 splits) {
    GRID_STRIDE(i, n) {
        Acc<T> sum = 0;
        for (i64 split = 0; split < splits; ++split) sum += parts[split * n + i];
        store(out, i, sum);
    }
}
#define ADD_PARTS(S, T) \
    extern "C" __global__ void add_parts_##S(T* out, const Acc<T>* parts, i64 n, i64 splits) { \
        add_parts(out, parts, n, splits); \
    }
FLOATS(ADD_PARTS)
