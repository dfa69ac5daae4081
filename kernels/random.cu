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

// The map of each of n images of a height and a width, six numbers each, as src/ops/random_affine.rs makes it of a
// motion's number and the ranges [a, b] and [c, d].
extern "C" __global__ void random_affine_f32(float* out, const i64* state, i64 n, unsigned stream, int motion,
                                             i64 height, i64 width, double a, double b, double c, double d) {
    enum { FLIP, ROTATE, TRANSLATE, ZOOM, ZOOM_BOTH, CROP };
    const Philox philox(state, stream);
    const double x = (width - 1) / 2.0, y = (height - 1) / 2.0;
    GRID_STRIDE(i, n) {
        const float4 u = philox.uniform(motion == CROP ? 0 : i);
        const double vertical = a + (b - a) * u.x, horizontal = motion == ZOOM_BOTH ? vertical : c + (d - c) * u.y;
        // Stretched about the middle, then moved, unless it turns.
        double sx = 1, sy = 1, dx = 0, dy = 0;
        if (motion == FLIP && u.x < 0.5f) sx -= 2 * horizontal, sy -= 2 * vertical;
        if (motion == ZOOM || motion == ZOOM_BOTH) sx = horizontal, sy = vertical;
        if (motion == TRANSLATE) dx = -horizontal, dy = -vertical;
        if (motion == CROP) dx = floor(horizontal), dy = floor(vertical);
        double map[6] = {sx, 0, x * (1 - sx) + dx, 0, sy, y * (1 - sy) + dy};
        if (motion == ROTATE) {
            double sin, cos;
            sincospi(2 * vertical, &sin, &cos);
            map[0] = cos, map[1] = -sin, map[2] = x - x * cos + y * sin;
            map[3] = sin, map[4] = cos, map[5] = y - x * sin - y * cos;
        }
#pragma unroll
        for (int k = 0; k < 6; ++k) out[6 * i + k] = static_cast<float>(map[k]);
    }
}

// A number of Beta(alpha, alpha) by Joehnk's method, with one alpha in [low, high) for all, as src/ops/random_beta.rs
// has it.
extern "C" __global__ void random_beta_f32(float* out, const i64* state, i64 n, unsigned stream, double low,
                                           double high) {
    constexpr unsigned long long ATTEMPTS = 64;
    const Philox philox(state, stream);
    const double alpha = low + (high - low) * philox.uniform(ATTEMPTS << 56).x;
    GRID_STRIDE(i, n) {
        double number = 0.5;
        bool found = false;
#pragma unroll 1
        for (unsigned long long attempt = 0; attempt < ATTEMPTS && !found; ++attempt) {
            const float4 u = philox.uniform(i | attempt << 56);
#pragma unroll 1
            for (int pair = 0; pair < 2 && !found; ++pair) {
                const double x = log(1.0 - (pair ? u.z : u.x)) / alpha, y = log(1.0 - (pair ? u.w : u.y)) / alpha;
                found = exp(x) + exp(y) <= 1.0;
                if (found) number = 1.0 / (1.0 + exp(y - x));
            }
        }
        out[i] = static_cast<float>(number);
    }
}

// The numbers 0..n in the order of a random key of each: each finds its place by counting the keys below its own. In
// blocks of 256.
extern "C" __global__ void __launch_bounds__(256)
    random_permutation_i32(int* out, const i64* state, i64 n, unsigned stream) {
    constexpr int TILE = 256;
    __shared__ unsigned long long keys[TILE];
    const Philox philox(state, stream);
    const auto key = [&](i64 i) {
        const uint4 bits = philox.block(i);
        return static_cast<unsigned long long>(bits.x) << 32 | bits.y;
    };
#pragma unroll 1
    for (i64 first = blockIdx.x * static_cast<i64>(TILE); first < n; first += gridDim.x * static_cast<i64>(TILE)) {
        const i64 i = first + threadIdx.x;
        const unsigned long long own = key(i);
        i64 place = 0;
#pragma unroll 1
        for (i64 tile = 0; tile < n; tile += TILE) {
            keys[threadIdx.x] = key(tile + threadIdx.x);
            __syncthreads();
            const int count = static_cast<int>(min(static_cast<i64>(TILE), n - tile));
#pragma unroll 1
            for (int k = 0; k < count; ++k) place += keys[k] < own || (keys[k] == own && tile + k < i);
            __syncthreads();
        }
        if (i < n) out[place] = static_cast<int>(i);
    }
}
