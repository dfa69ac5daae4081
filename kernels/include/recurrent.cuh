// Passes of cells over whole sequences. `sums` are (batch, time, gates · units): the input's products, gates side by side.
// A thread has a unit of one or several samples, and a block all units of these.
//
// On chip: a launch goes through all steps, the recurrent kernel stays in registers (up to 32 units, a warp a sample) or in
// shared memory, and a step's states are exchanged through shared memory. Stepwise (recurrent_steps.cuh): the products come
// from elsewhere, and a launch does a step.
#pragma once
#include "recurrent_steps.cuh"
#include "sequence.cuh"

// The recurrent kernel in a warp's registers: that of a thread's unit for each gate. Forward a column, backward a row.
template <class A, int GATES> struct InRegisters {
    static constexpr int UNITS = 32;
    A w[GATES][UNITS];

    template <class T> __device__ __forceinline__ void load(const T* kernel, void*, int units, bool rows) {
        const int u = threadIdx.x;
#pragma unroll
        for (int g = 0; g < GATES; g++)
#pragma unroll
            for (int k = 0; k < UNITS; k++) {
                const int row = rows ? u : k, column = rows ? k : u;
                const bool there = u < units && k < units;
                w[g][k] = there ? ::load(kernel, static_cast<i64>(row) * GATES * units + g * units + column) : A(0);
            }
    }
    // Adds the products of the gates FIRST to LAST - 1 of a sample: `from` has a row of 32 for each gate, `stride` apart.
    template <int FIRST, int LAST, int SAMPLES, int SUMS>
    __device__ __forceinline__ void multiply(const A* from, int stride, A (&sums)[SAMPLES][SUMS]) const {
        static_assert(SAMPLES == 1, "a warp has a sample");
#pragma unroll
        for (int k = 0; k < UNITS; k += 4) {
#pragma unroll
            for (int g = FIRST; g < LAST; g++) {
                const float4 x = *reinterpret_cast<const float4*>(from + g * stride + k);
                sums[0][g] += x.x * w[g][k];
                sums[0][g] += x.y * w[g][k + 1];
                sums[0][g] += x.z * w[g][k + 2];
                sums[0][g] += x.w * w[g][k + 3];
            }
        }
    }
};

// The recurrent kernel in shared memory, (gates, units, units): the last axis is the threads'.
template <class A, class T, int GATES> struct InShared {
    const T* w;
    int units;

    __device__ __forceinline__ void load(const T* kernel, void* memory, int count, bool rows) {
        T* to = static_cast<T*>(memory);
        const int all = GATES * count;
        for (int row = 0; row < count; row++)
            for (int column = threadIdx.x; column < all; column += blockDim.x) {
                const int g = column / count, k = column % count;
                to[(g * count + (rows ? k : row)) * count + (rows ? row : k)] = kernel[row * all + column];
            }
        w = to;
        units = count;
    }
    template <int FIRST, int LAST, int SAMPLES, int SUMS>
    __device__ __forceinline__ void multiply(const A* from, int stride, A (&sums)[SAMPLES][SUMS]) const {
        const int u = threadIdx.x < units ? threadIdx.x : units - 1;
#pragma unroll 1
        for (int k = 0; k < units; k++) {
#pragma unroll
            for (int g = FIRST; g < LAST; g++) {
                const A weight = ::load(w, (g * units + k) * units + u);
#pragma unroll
                for (int s = 0; s < SAMPLES; s++) sums[s][g] += from[g * stride + k * SAMPLES + s] * weight;
            }
        }
    }
};

// The sums of the state's products with the kernel of a step's gates. `from` is one buffer for all gates, or with dropout
// one for each.
#define MULTIPLY(FIRST, LAST, from, stride, sums)                                 \
    if (stride)                                                                   \
        weights.template multiply<FIRST, LAST, SAMPLES>(from, stride, sums);      \
    else                                                                          \
        weights.template multiply<FIRST, LAST, SAMPLES>(from, 0, sums)

template <class Cell, class T, int SAMPLES, class Weights>
__device__ __forceinline__ void pass(Weights& weights, Acc<T>* memory, const T* sums, const T* bias, const T* initial,
                                     const bool* mask, const bool* dropout, double scale_, T* y, T* states, T* kept,
                                     const Sequence& seq, Activations act) {
    using A = Acc<T>;
    const int u = threadIdx.x, row = blockDim.x * SAMPLES;
    const bool live = u < seq.units;
    const i64 first = blockIdx.x * static_cast<i64>(SAMPLES);
    const A scale = static_cast<A>(scale_);
    // Of what goes into the products two buffers take turns: what is read in a step is not written in it.
    const int stride = dropout ? row : 0, half = (dropout ? Cell::GATES : 1) * row;
    const auto factor = [&](int s, int g) {
        return live && first + s < seq.batch ? dropped(dropout, scale, seq, g, first + s, u) : A(0);
    };
    A old[SAMPLES][2], next_sums[SAMPLES][Cell::GATES];
    Cursor<Cell> at(seq, 0, false, first, u);
#pragma unroll
    for (int s = 0; s < SAMPLES; s++) {
        const i64 sample = first + s;
        const bool there = live && sample < seq.batch;
#pragma unroll
        for (int i = 0; i < Cell::STATES; i++) {
            old[s][i] = there && initial ? load(initial, seq.at(i, sample, u)) : A(0);
            if (there && seq.is(RECORD)) store(kept, seq.before(i, seq.time(0), sample, u), old[s][i]);
        }
#pragma unroll
        for (int g = 0; g < Cell::GATES; g++) {
            next_sums[s][g] = there ? load(sums, at.sums + (s * seq.steps * Cell::GATES + g) * seq.units) : A(0);
        }
    }
#pragma unroll 1
    for (i64 place = 0; place < seq.steps; place++, at.move()) {
        const bool last = place + 1 == seq.steps;
        A* state = memory + (place % 2 ? half : 0);
        A own[SAMPLES][Cell::GATES], products[SAMPLES][Cell::GATES];
#pragma unroll
        for (int s = 0; s < SAMPLES; s++)
#pragma unroll
            for (int g = 0; g < Cell::GATES; g++) {
                if (dropout)
                    state[g * stride + u * SAMPLES + s] = old[s][0] * factor(s, g);
                else if (g == 0)
                    state[u * SAMPLES + s] = old[s][0];
                products[s][g] = bias && live ? load(bias, g * seq.units + u) : A(0);
                own[s][g] = next_sums[s][g];
            }
        __syncthreads();
        // The next step's sums are on their way while this one is computed.
#pragma unroll
        for (int s = 0; s < SAMPLES; s++)
            if (!last && live && first + s < seq.batch)
#pragma unroll
                for (int g = 0; g < Cell::GATES; g++)
                    next_sums[s][g] =
                        load(sums, at.sums + at.by_sums + (s * seq.steps * Cell::GATES + g) * seq.units);
        MULTIPLY(0, Cell::RECURRENT, state, stride, products);
        if constexpr (Cell::RECURRENT < Cell::GATES) {
            // The last gate's state goes through the reset gate first.
            A* reset = memory + 2 * half;
#pragma unroll
            for (int s = 0; s < SAMPLES; s++)
                reset[u * SAMPLES + s] =
                    Cell::reset(own[s], products[s], old[s], act) * factor(s, Cell::GATES - 1);
            __syncthreads();
            weights.template multiply<Cell::RECURRENT, Cell::GATES, SAMPLES>(reset, 0, products);
        }
#pragma unroll
        for (int s = 0; s < SAMPLES; s++) {
            const i64 sample = first + s;
            if (!live || sample >= seq.batch) continue;
            A now[2], plane[4];
            Cell::step(own[s], products[s], old[s], now, plane, act);
            const bool counts = !mask || mask[at.mask + s * seq.steps];
            const i64 row = s * static_cast<i64>(seq.units);
#pragma unroll
            for (int i = 0; i < Cell::STATES; i++) {
                if (counts) old[s][i] = now[i];
                if (seq.is(RECORD)) store(kept, at.state + i * (seq.steps + 1) * at.planes + row, old[s][i]);
            }
            if (seq.is(RECORD))
#pragma unroll
                for (int i = 0; i < Cell::PLANES; i++) store(kept, at.plane + i * at.planes + row, plane[i]);
            const A out = !counts && seq.is(ZERO_OUTPUT) ? A(0) : old[s][0];
            if (seq.is(SEQUENCES))
                store(y, at.output + s * seq.steps * seq.units, out);
            else if (last)
                store(y, sample * seq.units + u, out);
            if (last)
#pragma unroll
                for (int i = 0; i < Cell::STATES; i++) store(states, seq.at(i, sample, u), old[s][i]);
        }
    }
}

// `d_sums` are the gradients of the sums, `d_products` those of what the state's products give where they are others.
template <class Cell, class T, int SAMPLES, class Weights>
__device__ __forceinline__ void pass_back(Weights& weights, Acc<T>* memory, const T* kept, const T* dy, const T* d_states,
                                          const bool* mask, const bool* dropout, double scale_, T* d_sums, T* d_products,
                                          T* before_, T* d_initial, const Sequence& seq, Activations act) {
    using A = Acc<T>;
    const int u = threadIdx.x, row = blockDim.x * SAMPLES, half = Cell::GATES * row;
    const bool live = u < seq.units;
    const i64 first = blockIdx.x * static_cast<i64>(SAMPLES);
    const A scale = static_cast<A>(scale_);
    const auto factor = [&](int s, int g) {
        return live && first + s < seq.batch ? dropped(dropout, scale, seq, g, first + s, u) : A(0);
    };
    A d[SAMPLES][2];
#pragma unroll
    for (int s = 0; s < SAMPLES; s++) {
        const i64 sample = first + s;
        const bool there = live && sample < seq.batch;
#pragma unroll
        for (int i = 0; i < Cell::STATES; i++)
            d[s][i] = there && d_states ? load(d_states, seq.at(i, sample, u)) : A(0);
        const i64 last = seq.time(seq.steps - 1);
        const bool zeroed = there && seq.is(ZERO_OUTPUT) && mask && !mask[sample * seq.steps + last];
        if (there && dy && !seq.is(SEQUENCES) && !zeroed) d[s][0] += load(dy, sample * seq.units + u);
    }
    // The state before a step stands after the one that it comes from.
    Cursor<Cell> at(seq, seq.steps - 1, true, first, u);
#pragma unroll 1
    for (i64 place = seq.steps - 1; place >= 0; place--, at.move()) {
        A* exchange = memory + (place % 2 ? half : 0);
        A own[SAMPLES][Cell::GATES], through[SAMPLES][Cell::GATES], plane[SAMPLES][4], old[SAMPLES][2], now[SAMPLES][2];
        bool counts[SAMPLES];
#pragma unroll
        for (int s = 0; s < SAMPLES; s++) {
            const i64 sample = first + s;
            const bool there = live && sample < seq.batch;
            counts[s] = there && (!mask || mask[at.mask + s * seq.steps]);
            const i64 row = s * static_cast<i64>(seq.units);
            if (there && dy && seq.is(SEQUENCES) && (counts[s] || !seq.is(ZERO_OUTPUT)))
                d[s][0] += load(dy, at.output + s * seq.steps * seq.units);
#pragma unroll
            for (int i = 0; i < Cell::PLANES; i++)
                plane[s][i] = counts[s] ? load(kept, at.plane + i * at.planes + row) : A(0);
#pragma unroll
            for (int i = 0; i < Cell::STATES; i++) {
                const i64 after = at.state + i * (seq.steps + 1) * at.planes + row;
                old[s][i] = counts[s] ? load(kept, after + at.step) : A(0);
                now[s][i] = counts[s] ? load(kept, after) : A(0);
            }
        }
        A back[SAMPLES][Cell::GATES];
#pragma unroll
        for (int s = 0; s < SAMPLES; s++) {
            A before[2] = {d[s][0], d[s][1]};
            Cell::step_back(plane[s], old[s], now[s], before, own[s], through[s], act);
#pragma unroll
            for (int g = 0; g < Cell::GATES; g++) {
                own[s][g] = counts[s] ? flushed(own[s][g]) : A(0);
                through[s][g] = counts[s] ? flushed(through[s][g]) : A(0);
                exchange[g * row + u * SAMPLES + s] = through[s][g];
                back[s][g] = A(0);
            }
            if (counts[s])
#pragma unroll
                for (int i = 0; i < Cell::STATES; i++) d[s][i] = flushed(before[i]);
        }
        __syncthreads();
        if constexpr (Cell::RECURRENT < Cell::GATES) {
            // Through the product of the reset state; then the reset gate's own gradient is known.
            constexpr int LAST = Cell::GATES - 1;
            weights.template multiply<LAST, Cell::GATES, SAMPLES>(exchange, row, back);
#pragma unroll
            for (int s = 0; s < SAMPLES; s++) {
                if (!counts[s]) continue;
                d[s][0] += Cell::reset_back(plane[s], old[s], back[s][LAST] * factor(s, LAST), own[s], act);
                own[s][1] = through[s][1] = flushed(own[s][1]);
                exchange[row + u * SAMPLES + s] = through[s][1];
            }
            __syncthreads();
        }
        weights.template multiply<0, Cell::RECURRENT, SAMPLES>(exchange, row, back);
#pragma unroll
        for (int s = 0; s < SAMPLES; s++) {
            const i64 sample = first + s;
            if (!live || sample >= seq.batch) continue;
            // As the sums are for the recurrent kernel's gradient; what a masked step has does not count.
            store(before_, (sample * seq.steps + seq.time(place)) * seq.units + u, old[s][0]);
#pragma unroll
            for (int g = 0; g < Cell::GATES; g++) {
                const i64 to = at.sums + (s * seq.steps * Cell::GATES + g) * seq.units;
                store(d_sums, to, own[s][g]);
                if (d_products) store(d_products, to, through[s][g]);
                if (g < Cell::RECURRENT) d[s][0] += dropout ? back[s][g] * factor(s, g) : back[s][g];
            }
            if (place == 0)
#pragma unroll
                for (int i = 0; i < Cell::STATES; i++) store(d_initial, seq.at(i, sample, u), d[s][i]);
        }
    }
}

// The entries of a cell: `NAME_warp`, `NAME_block` and `NAME_step`, and the same with `_back`.
#define PASS_ARGUMENTS(T)                                                                                              \
    T *y, T *states, T *kept, const T *sums, const T *kernel, const T *bias, const T *initial, const bool *mask,       \
        const bool *dropout, double scale, i64 steps, i64 batch, int units, int flags, int own, int recurrent
#define PASS_BACK_ARGUMENTS(T)                                                                                         \
    T *d_sums, T *d_products, T *before, T *d_initial, const T *kernel, const T *kept, const T *dy, const T *d_states,            \
        const bool *mask, const bool *dropout, double scale, i64 steps, i64 batch, int units, int flags, int own,      \
        int recurrent
#define SEQUENCE(CELL) const Sequence seq = {steps, batch, units, flags, CELL::PLANES, CELL::STATES}

// A warp and 32 units a sample.
#define WARP_ENTRIES(NAME, CELL, S, T)                                                                                 \
    extern "C" __global__ void __launch_bounds__(32, 1) NAME##_warp_##S(PASS_ARGUMENTS(T)) {                              \
        __shared__ __align__(16) Acc<T> memory[(2 * CELL::GATES + 1) * 32];                                            \
        SEQUENCE(CELL);                                                                                                \
        InRegisters<Acc<T>, CELL::GATES> weights;                                                                      \
        weights.load(kernel, nullptr, units, false);                                                                   \
        pass<CELL, T, 1>(weights, memory, sums, bias, initial, mask, dropout, scale, y, states, kept, seq,             \
                         {own, recurrent});                                                                            \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(32, 1) NAME##_warp_back_##S(PASS_BACK_ARGUMENTS(T)) {                    \
        __shared__ __align__(16) Acc<T> memory[2 * CELL::GATES * 32];                                                  \
        SEQUENCE(CELL);                                                                                                \
        InRegisters<Acc<T>, CELL::GATES> weights;                                                                      \
        weights.load(kernel, nullptr, units, true);                                                                    \
        pass_back<CELL, T, 1>(weights, memory, kept, dy, d_states, mask, dropout, scale, d_sums, d_products,           \
                              before, d_initial, seq, {own, recurrent});                                                       \
    }

// Four samples a block, the kernel in its shared memory, before the buffers of exchange.
#define BLOCK_SAMPLES 4
#define BLOCK_ENTRIES(NAME, CELL, S, T)                                                                                \
    extern "C" __global__ void NAME##_block_##S(PASS_ARGUMENTS(T)) {                                                   \
        extern __shared__ __align__(16) unsigned char memory[];                                                        \
        SEQUENCE(CELL);                                                                                                \
        InShared<Acc<T>, T, CELL::GATES> weights;                                                                      \
        weights.load(kernel, memory, units, false);                                                                    \
        const i64 bytes = (static_cast<i64>(CELL::GATES) * units * units * sizeof(T) + 15) / 16 * 16;                  \
        pass<CELL, T, BLOCK_SAMPLES>(weights, reinterpret_cast<Acc<T>*>(memory + bytes), sums, bias, initial, mask,    \
                                     dropout, scale, y, states, kept, seq, {own, recurrent});                          \
    }                                                                                                                  \
    extern "C" __global__ void NAME##_block_back_##S(PASS_BACK_ARGUMENTS(T)) {                                         \
        extern __shared__ __align__(16) unsigned char memory[];                                                        \
        SEQUENCE(CELL);                                                                                                \
        InShared<Acc<T>, T, CELL::GATES> weights;                                                                      \
        weights.load(kernel, memory, units, true);                                                                     \
        const i64 bytes = (static_cast<i64>(CELL::GATES) * units * units * sizeof(T) + 15) / 16 * 16;                  \
        pass_back<CELL, T, BLOCK_SAMPLES>(weights, reinterpret_cast<Acc<T>*>(memory + bytes), kept, dy, d_states,      \
                                          mask, dropout, scale, d_sums, d_products, before, d_initial, seq,            \
                                          {own, recurrent});                                                           \
    }

#define STEP_ENTRIES(NAME, CELL, S, T)                                                                                 \
    extern "C" __global__ void NAME##_step_##S(T* y, T* states, T* kept, const T* sums, const T* bias,                 \
                                               const T* products, Acc<T>* running, T* dropped_state, const bool* mask, \
                                               const bool* dropout, double scale, i64 steps, i64 batch, int units,     \
                                               int flags, int own, int recurrent, i64 place, int stage) {              \
        SEQUENCE(CELL);                                                                                                \
        step<CELL, T>(sums, bias, products, running, mask, dropout, scale, dropped_state, y, states, kept, seq,        \
                      {own, recurrent}, place, stage);                                                                 \
    }                                                                                                                  \
    extern "C" __global__ void NAME##_step_back_##S(                                                                   \
        T* d_sums, T* d_products, T* before, T* d_initial, const T* kept, const T* dy, const T* products, T* through,             \
        Acc<T>* running, const bool* mask, const bool* dropout, double scale, i64 steps, i64 batch, int units,         \
        int flags, int own, int recurrent, i64 place, int stage) {                                                     \
        SEQUENCE(CELL);                                                                                                \
        step_back<CELL, T>(kept, dy, mask, dropout, scale, products, through, running, d_sums, d_products, before,     \
                           d_initial, seq, {own, recurrent}, place, stage);                                                       \
    }

// A warp's registers do not hold a kernel of doubles.
#define CELL_ENTRIES(NAME, CELL)             \
    WARP_ENTRIES(NAME, CELL, f32, float)     \
    WARP_ENTRIES(NAME, CELL, f16, f16)       \
    WARP_ENTRIES(NAME, CELL, bf16, bf16)     \
    BLOCK_ENTRIES(NAME, CELL, f32, float)    \
    BLOCK_ENTRIES(NAME, CELL, f64, double)   \
    BLOCK_ENTRIES(NAME, CELL, f16, f16)      \
    BLOCK_ENTRIES(NAME, CELL, bf16, bf16)    \
    STEP_ENTRIES(NAME, CELL, f32, float)     \
    STEP_ENTRIES(NAME, CELL, f64, double)    \
    STEP_ENTRIES(NAME, CELL, f16, f16)       \
    STEP_ENTRIES(NAME, CELL, bf16, bf16)
