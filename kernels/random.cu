// Random numbers, four elements a thread. The state is seed and step, read from memory, so that a replayed graph draws
// new numbers once `random_advance` has run.
#include "philox.cuh"

extern "C" __global__ void random_advance_i64(i64* state) { ++state[1]; }

// Elements 4 * block to 4 * block + 3 of out, as far as there are n: f(element, k-th number).
template <class T, class F> __device__ __forceinline__ void store_four(T* out, i64 n, i64 block, float4 numbers, F f) {
    const float values[4] = {numbers.x, numbers.y, numbers.z, numbers.w};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const i64 i = 4 * block + k;
        if (i < n) store(out, i, f(i, values[k]));
    }
}

struct Uniform {
    __device__ static float4 draw(const Philox& philox, i64 block) { return philox.uniform(block); }
};
struct Normal {
    __device__ static float4 draw(const Philox& philox, i64 block) { return philox.normal(block); }
};
struct TruncatedNormal {
    __device__ static float4 draw(const Philox& philox, i64 block) {
        float numbers[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) numbers[k] = philox.truncated_normal(4 * block + k);
        return {numbers[0], numbers[1], numbers[2], numbers[3]};
    }
};

// out = number * scale + shift, in f32 whatever T is
template <class Distribution, class T>
__device__ void random(T* out, const i64* state, i64 n, unsigned stream, float scale, float shift) {
    const Philox philox(state, stream);
    GRID_STRIDE(block, (n + 3) / 4) {
        store_four(out, n, block, Distribution::draw(philox, block),
                   [=](i64, float number) { return static_cast<Acc<T>>(fmaf(number, scale, shift)); });
    }
}

// out = x * scale where the number is at least `rate`, else 0
template <class T>
__device__ void dropout(T* out, const T* x, const i64* state, i64 n, unsigned stream, float rate, double scale) {
    const Philox philox(state, stream);
    const Acc<T> factor = static_cast<Acc<T>>(scale);
    GRID_STRIDE(block, (n + 3) / 4) {
        store_four(out, n, block, philox.uniform(block),
                   [=](i64 i, float number) { return number >= rate ? load(x, i) * factor : Acc<T>(0); });
    }
}

#define ENTRY(S, T)                                                                                                  \
    extern "C" __global__ void random_uniform_##S(T* out, const i64* state, i64 n, unsigned stream, float scale,     \
                                                  float shift) {                                                     \
        random<Uniform>(out, state, n, stream, scale, shift);                                                        \
    }                                                                                                                \
    extern "C" __global__ void random_normal_##S(T* out, const i64* state, i64 n, unsigned stream, float scale,      \
                                                 float shift) {                                                      \
        random<Normal>(out, state, n, stream, scale, shift);                                                         \
    }                                                                                                                \
    extern "C" __global__ void random_truncated_normal_##S(T* out, const i64* state, i64 n, unsigned stream,         \
                                                           float scale, float shift) {                               \
        random<TruncatedNormal>(out, state, n, stream, scale, shift);                                                \
    }                                                                                                                \
    extern "C" __global__ void dropout_fwd_##S(T* out, const T* x, const i64* state, i64 n, unsigned stream,         \
                                               float rate, double scale) {                                           \
        dropout(out, x, state, n, stream, rate, scale);                                                              \
    }
FLOATS(ENTRY)
