// One step of an optimizer over all parameters: one launch, a block for each chunk of a parameter.
#include "dtypes.cuh"

// A parameter; src/optimizers/update.rs writes the table of them.
struct Entry {
    float* weight;
    const float* gradient;
    float* slots[3];  // null where the optimizer keeps less
    i64 elements;
    i64 first_chunk;  // chunks of the parameters before it
    i64 unused;
};

// The numbers of the step that all rules read; `rule` holds those of one, in the order of its `hyper` in Rust.
struct Hyper {
    float learning_rate, decay, most, rule[5];
};

// w ← w − lr·g, or with momentum m ← μ·m − lr·g and w ← w + m, or w ← w + μ·m − lr·g.
struct Sgd {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& m, float&, float&) {
        const float momentum = h.rule[0];
        if (momentum == 0.0f) {
            w -= h.learning_rate * g;
            return;
        }
        m = momentum * m - h.learning_rate * g;
        w += h.rule[1] != 0.0f ? momentum * m - h.learning_rate * g : m;
    }
};

// v ← ρ·v + (1−ρ)·g²; the slots after v are the momentum and the mean gradient, where there are both.
struct RmsProp {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& v, float& b, float& c) {
        const float rho = h.rule[0], rest = h.rule[1], epsilon = h.rule[2], momentum = h.rule[3];
        const bool centered = h.rule[4] != 0.0f, moves = momentum > 0.0f;
        v = rho * v + rest * g * g;
        float mean = 0.0f;
        if (centered) {
            mean = rho * (moves ? c : b) + rest * g;
            (moves ? c : b) = mean;
        }
        const float change = h.learning_rate * g / sqrtf(v - mean * mean + epsilon);
        if (moves) {
            b = momentum * b + change;
            w -= b;
        } else {
            w -= change;
        }
    }
};

// m ← m + (1−β₁)·(g − m), v ← v + (1−β₂)·(g² − v), w ← w − α·m / (√v + ε), with AMSGrad of the largest v.
struct Adam {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& m, float& v, float& largest) {
        const float alpha = h.rule[0], rest_1 = h.rule[1], rest_2 = h.rule[2], epsilon = h.rule[3];
        m += (g - m) * rest_1;
        v += (g * g - v) * rest_2;
        largest = h.rule[4] != 0.0f && largest > v ? largest : v;
        w -= m * alpha / (sqrtf(largest) + epsilon);
    }
};

// As on the CPU (src/optimizers/update.rs): gradients below this are taken as 0, and below that so is what is kept.
constexpr float SMALLEST = 1e-15f, NEGLIGIBLE = 1e-30f;

// Elements that a thread has in flight: the table's pointers may alias for all that the compiler knows.
constexpr int BATCH = 4;

template <class Rule>
__device__ void step(const Entry* table, i64 count, i64 chunk, const float* hyper, const float* scales) {
    const Hyper h = *reinterpret_cast<const Hyper*>(hyper);
    const Entry& last = table[count - 1];
    const i64 chunks = last.first_chunk + (last.elements + chunk - 1) / chunk;
    for (i64 c = blockIdx.x; c < chunks; c += gridDim.x) {
        // The last entry that starts at chunk c or before: those without elements come before it.
        i64 low = 0, high = count;
        while (high - low > 1) {
            const i64 middle = (low + high) / 2;
            (table[middle].first_chunk <= c ? low : high) = middle;
        }
        const Entry e = table[low];
        const float scale = scales ? scales[low] : 1.0f;
        const i64 start = (c - e.first_chunk) * chunk;
        const i64 end = start + chunk < e.elements ? start + chunk : e.elements;
#pragma unroll 1
        for (i64 first = start + threadIdx.x; first < end; first += BATCH * blockDim.x) {
            float w[BATCH], g[BATCH], s[3][BATCH] = {};
#pragma unroll
            for (int k = 0; k < BATCH; k++) {
                const i64 i = first + k * static_cast<i64>(blockDim.x);
                if (i >= end) continue;
                w[k] = e.weight[i];
                g[k] = e.gradient[i];
#pragma unroll
                for (int slot = 0; slot < 3; slot++) {
                    if (e.slots[slot]) s[slot][k] = e.slots[slot][i];
                }
            }
#pragma unroll
            for (int k = 0; k < BATCH; k++) {
                const i64 i = first + k * static_cast<i64>(blockDim.x);
                if (i >= end) continue;
                // Comparisons that leave NaN as it is.
                float clipped = g[k] * scale;
                clipped = clipped > h.most ? h.most : clipped;
                clipped = clipped < -h.most ? -h.most : clipped;
                clipped = fabsf(clipped) < SMALLEST ? 0.0f : clipped;
                w[k] -= w[k] * h.decay;
                Rule::step(h, w[k], clipped, s[0][k], s[1][k], s[2][k]);
                e.weight[i] = w[k];
#pragma unroll
                for (int slot = 0; slot < 3; slot++) {
                    const float kept = fabsf(s[slot][k]) < NEGLIGIBLE ? 0.0f : s[slot][k];
                    if (e.slots[slot]) e.slots[slot][i] = kept;
                }
            }
        }
    }
}

// 256 threads, as update.rs launches, of so few registers that three blocks fit on a multiprocessor.
#define ENTRY(NAME, RULE)                                                                                   \
    extern "C" __global__ void __launch_bounds__(256, 3)                                                   \
        NAME##_f32(const Entry* table, i64 count, i64 chunk, const float* hyper, const float* scales) {    \
        step<RULE>(table, count, chunk, hyper, scales);                                                     \
    }
ENTRY(sgd, Sgd)
ENTRY(rmsprop, RmsProp)
ENTRY(adam, Adam)
