// One step of an optimizer over all parameters: one launch, a block for each chunk of a parameter.
#include "dtypes.cuh"

// A parameter; src/optimizers/pass.rs writes the table of them.
struct Entry {
    float* weight;
    const float* gradient;
    float* slots[3];  // null where the optimizer keeps less
    i64 elements;
    i64 first_chunk;  // chunks of the parameters before it
    i64 decays;       // whether a share of the weight is taken away
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

// a ← a + g², w ← w − lr·g / √(a + ε).
struct Adagrad {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& a, float&, float&) {
        a += g * g;
        w -= h.learning_rate * g / sqrtf(a + h.rule[0]);
    }
};

// a ← ρ·a + (1−ρ)·g², d = −g·√(b + ε) / √(a + ε), b ← ρ·b + (1−ρ)·d², w ← w + lr·d.
struct Adadelta {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& a, float& b, float&) {
        const float rho = h.rule[0], rest = h.rule[1], epsilon = h.rule[2];
        a = rho * a + rest * g * g;
        const float d = -sqrtf(b + epsilon) * g / sqrtf(a + epsilon);
        b = rho * b + rest * d * d;
        w += h.learning_rate * d;
    }
};

// m ← m + (1−β₁)·(g − m), u ← max(β₂·u, |g|), w ← w − α·m / (u + ε).
struct Adamax {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& m, float& u, float&) {
        m += (g - m) * h.rule[1];
        u *= h.rule[2];
        u = u > fabsf(g) ? u : fabsf(g);
        w -= h.rule[0] * m / (u + h.rule[3]);
    }
};

// m and v as Adam's, w ← w − (α·m + γ·g) / (√v + ε).
struct Nadam {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& m, float& v, float&) {
        m += (g - m) * h.rule[2];
        v += (g * g - v) * h.rule[3];
        w -= (h.rule[0] * m + h.rule[1] * g) / (sqrtf(v) + h.rule[4]);
    }
};

// m and v as Adam's; the weight waits for their norms (src/optimizers/lamb.rs).
struct Lamb {
    static __device__ __forceinline__ void step(const Hyper& h, float&, float g, float& m, float& v, float&) {
        m += (g - m) * h.rule[0];
        v += (g * g - v) * h.rule[1];
    }
};

// w ← w − lr·sign(β₁·m + (1−β₁)·g), m ← β₂·m + (1−β₂)·g.
struct Lion {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& m, float&, float&) {
        const float c = m * h.rule[0] + g * h.rule[1];
        // 0 and NaN are their own signs.
        w -= h.learning_rate * (c > 0.0f ? 1.0f : c < 0.0f ? -1.0f : c);
        m = m * h.rule[2] + g * h.rule[3];
    }
};

// n = a + g², z ← z + g + s·w − (nᵖ − aᵖ) / lr · w, w ← (clip(z) − z) / (nᵖ / lr + l2), a ← n.
struct Ftrl {
    static __device__ __forceinline__ float to_power(float x, float power) {
        return power == 0.5f ? sqrtf(x) : powf(x, power);
    }
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float g, float& a, float& z, float&) {
        const float power = h.rule[0], l1 = h.rule[1];
        const float n = a + g * g;
        const float root = to_power(n, power);
        z += g + h.rule[3] * w - (root - to_power(a, power)) / h.learning_rate * w;
        const float clipped = z > l1 ? l1 : z < -l1 ? -l1 : z;
        w = (clipped - z) / (root / h.learning_rate + h.rule[2]);
        a = n;
    }
};

// s ← s + g, or 0: gradients of several steps.
struct Accumulate {
    static __device__ __forceinline__ void step(const Hyper& h, float&, float g, float& s, float&, float&) {
        s = h.rule[0] != 0.0f ? s + g : 0.0f;
    }
};

// a ← μ·a + (1−μ)·w, and w ← a where the average overwrites the weight.
struct Average {
    static __device__ __forceinline__ void step(const Hyper& h, float& w, float, float& a, float&, float&) {
        a = h.rule[0] * a + h.rule[1] * w;
        if (h.rule[2] != 0.0f) w = a;
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
        const float decay = e.decays ? h.decay : 0.0f;
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
                w[k] -= w[k] * decay;
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

// 256 threads, as pass.rs launches, of so few registers that three blocks fit on a multiprocessor.
#define ENTRY(NAME, RULE)                                                                                   \
    extern "C" __global__ void __launch_bounds__(256, 3)                                                   \
        NAME##_f32(const Entry* table, i64 count, i64 chunk, const float* hyper, const float* scales) {    \
        step<RULE>(table, count, chunk, hyper, scales);                                                     \
    }
ENTRY(sgd, Sgd)
ENTRY(rmsprop, RmsProp)
ENTRY(adam, Adam)
ENTRY(accumulate_gradient, Accumulate)
ENTRY(average_weight, Average)
ENTRY(adagrad, Adagrad)
ENTRY(adadelta, Adadelta)
ENTRY(adamax, Adamax)
ENTRY(nadam, Nadam)
ENTRY(lion, Lion)
ENTRY(ftrl, Ftrl)
ENTRY(lamb, Lamb)
