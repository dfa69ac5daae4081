// Pairs of features turned by angles that grow along an axis.
#include "pack.cuh"

// Of the rows of x, each of two halves a and b: out = (a cos − b sin, b cos + a sin), where sin counts by its sign. N
// elements of a half are taken at once, of which there are `pairs` in all; the table has `half` cosines and as many
// sines in a row.
template <int N, class T>
__device__ __forceinline__ void rotate(T* out, const T* x, const float* table, i64 pairs, i64 half, i64 behind,
                                       i64 places, i64 first, float sign) {
    const i64 width = half / N;
    const auto* from = reinterpret_cast<const Pack<T, N>*>(x);
    const auto* angles = reinterpret_cast<const Pack<float, N>*>(table);
    auto* to = reinterpret_cast<Pack<T, N>*>(out);
    GRID_STRIDE(i, pairs / N) {
        const i64 row = i / width, column = i - row * width, at = 2 * row * width + column;
        const i64 angle = 2 * (first + row / behind % places) * width + column;
        const Pack<T, N> a = from[at], b = from[at + width];
        const Pack<float, N> cosines = angles[angle], sines = angles[angle + width];
        Pack<T, N> low, high;
#pragma unroll
        for (int j = 0; j < N; ++j) {
            const Acc<T> cosine = cosines.at[j], sine = sign * sines.at[j];
            store(low.at, j, load(a.at, j) * cosine - load(b.at, j) * sine);
            store(high.at, j, load(b.at, j) * cosine + load(a.at, j) * sine);
        }
        to[at] = low;
        to[at + width] = high;
    }
}

#define ENTRY(S, T)                                                                                                 \
    extern "C" __global__ void rotate_##S(T* out, const T* x, const float* table, i64 pairs, i64 half, i64 behind,  \
                                          i64 places, i64 first, float sign) {                                      \
        constexpr int N = Pack<T>::SIZE;                                                                            \
        if (half % N == 0) {                                                                                        \
            rotate<N>(out, x, table, pairs, half, behind, places, first, sign);                                     \
        } else {                                                                                                    \
            rotate<1>(out, x, table, pairs, half, behind, places, first, sign);                                     \
        }                                                                                                           \
    }
FLOATS(ENTRY)
