// Passes of cells over whole sequences. `sums` are (batch, time, gates · units): the input's products, gates side by side.
// A thread has a unit of one or several samples, and a block all units of these.
//
// On chip: a launch goes through all steps, the recurrent kernel stays in registers (up to 32 units, a warp a sample) or in
// shared memory, and a step's states are exchanged through shared memory. Stepwise: the products come from elsewhere, and a
// launch does a step.
#pragma once
#include "dtypes.cuh"

// What a pass is, as src/ops/recurrent/cuda.rs says it.
enum { SEQUENCES = 1, BACKWARDS = 2, REVERSED_OUTPUT = 4, ZERO_OUTPUT = 8, RECORD = 16 };
// The activations that the kernels have.
enum { LINEAR, RELU, TANH, SIGMOID, HARD_SIGMOID, SOFTSIGN };

__device__ __forceinline__ float sigmoid_of(float x) { return __fdividef(1.0f, 1.0f + expf(-x)); }
__device__ __forceinline__ double sigmoid_of(double x) { return 1.0 / (1.0 + exp(-x)); }

template <class A> __device__ __forceinline__ A activation_of(int which, A x) {
    switch (which) {
        case TANH: return tanh(x);
        case SIGMOID: return sigmoid_of(x);
        case RELU: return x > A(0) || x != x ? x : A(0);
        case HARD_SIGMOID: return x <= A(-3) ? A(0) : x >= A(3) ? A(1) : x * A(1.0 / 6) + A(0.5);
        case SOFTSIGN: return x / (A(1) + abs(x));
        default: return x;
    }
}
// The slope, of the argument for the hard sigmoid, else of the value.
template <class A> __device__ __forceinline__ A slope_of(int which, A from) {
    switch (which) {
        case TANH: return (A(1) - from) * (A(1) + from);
        case SIGMOID: return from * (A(1) - from);
        case RELU: return from > A(0) ? A(1) : A(0);
        case HARD_SIGMOID: return abs(from) < A(3) ? A(1.0 / 6) : A(0);
        case SOFTSIGN: return (A(1) - abs(from)) * (A(1) - abs(from));
        default: return A(1);
    }
}
// What the slope is computed from is kept of a gate; its value is made from that.
template <class A> __device__ __forceinline__ A kept_of(int which, A sum, A value) {
    return which == HARD_SIGMOID ? sum : value;
}
template <class A> __device__ __forceinline__ A value_of(int which, A kept) {
    return which == HARD_SIGMOID ? activation_of(HARD_SIGMOID, kept) : kept;
}

struct Activations {
    int own, recurrent;
};

// The extents of a sequence and where its parts are kept: see `Layout` in src/ops/recurrent/mod.rs.
struct Sequence {
    i64 steps, batch;
    int units, flags, planes, states;

    __device__ bool is(int flag) const { return flags & flag; }
    __device__ i64 time(i64 place) const { return is(BACKWARDS) ? steps - 1 - place : place; }
    __device__ i64 output_time(i64 place) const { return is(REVERSED_OUTPUT) ? place : time(place); }
    __device__ i64 at(i64 row, i64 sample, int unit) const { return (row * batch + sample) * units + unit; }
    __device__ i64 plane(i64 time, int plane, i64 sample, int unit) const {
        return at(time * planes + plane, sample, unit);
    }
    __device__ i64 value(int state, i64 value, i64 sample, int unit) const {
        return at(steps * planes + state * (steps + 1) + value, sample, unit);
    }
    __device__ i64 before(int state, i64 time, i64 sample, int unit) const {
        return value(state, time + (is(BACKWARDS) ? 1 : 0), sample, unit);
    }
    __device__ i64 after(int state, i64 time, i64 sample, int unit) const {
        return value(state, time + (is(BACKWARDS) ? 0 : 1), sample, unit);
    }
};

// Where a thread's numbers of a step stand, which moves on with the steps: multiplications once, additions from then on.
template <class Cell> struct Cursor {
    i64 sums, plane, state, output, mask;
    // Between planes, and how far a state moves; the others move in proportion.
    i64 planes, step;
    int by_output, by_mask, by_sums;

    __device__ Cursor(const Sequence& seq, i64 place, bool back, i64 sample, int unit) {
        const i64 time = seq.time(place), output_time = seq.output_time(place);
        const int forth = back ? -1 : 1, way = seq.is(BACKWARDS) ? -forth : forth;
        planes = seq.batch * seq.units;
        step = way * planes;
        sums = (sample * seq.steps + time) * Cell::GATES * seq.units + unit;
        plane = seq.plane(time, 0, sample, unit);
        state = seq.after(0, time, sample, unit);
        output = (sample * seq.steps + output_time) * seq.units + unit;
        mask = sample * seq.steps + time;
        by_output = (seq.is(REVERSED_OUTPUT) ? forth : way) * seq.units;
        by_mask = way;
        by_sums = way * Cell::GATES * seq.units;
    }
    __device__ __forceinline__ void move() {
        sums += by_sums;
        plane += Cell::PLANES * step;
        state += step;
        output += by_output;
        mask += by_mask;
        // Else the compiler has an address for each gate and plane move by itself, in registers that there are not.
        asm volatile("" : "+l"(sums), "+l"(plane), "+l"(state));
    }
};

// What the state of a unit is multiplied by for a gate.
template <class A>
__device__ __forceinline__ A dropped(const bool* dropout, A scale, const Sequence& seq, int gate, i64 sample, int unit) {
    return !dropout ? A(1) : dropout[seq.at(gate, sample, unit)] ? scale : A(0);
}

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

// Gradients below this vanish: they are nothing to a weight, and the CPU's are 0 too.
__device__ __forceinline__ float flushed(float x) { return fabsf(x) < 1e-30f ? 0.0f : x; }
__device__ __forceinline__ double flushed(double x) { return fabs(x) < 1e-290 ? 0.0 : x; }

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

// A step of all samples, where the products of the states, (gates, batch, units), come from elsewhere. What is reset first
// takes two launches: `stage` 0 makes the reset state, for whose product `stage` 1 waits. `dropped_state` receives the state
// after the step for the next products, with dropout one for each gate.
template <class Cell, class T>
__device__ __forceinline__ void step(const T* sums, const T* bias, const T* products, Acc<T>* running,
                                     const bool* mask, const bool* dropout, double scale, T* dropped_state, T* y, T* states, T* kept,
                                     const Sequence& seq, Activations act, i64 place, int stage) {
    using A = Acc<T>;
    const i64 time = seq.time(place), all = seq.batch * seq.units;
    const int width = Cell::GATES * seq.units;
    GRID_STRIDE(i, all) {
        const i64 sample = i / seq.units;
        const int u = static_cast<int>(i % seq.units);
        A own[Cell::GATES], product[Cell::GATES], old[2], now[2], plane[4];
#pragma unroll
        for (int g = 0; g < Cell::GATES; g++) {
            own[g] = load(sums, (sample * seq.steps + time) * width + g * seq.units + u);
            product[g] = load(products, g * all + i) + (bias ? load(bias, g * seq.units + u) : A(0));
        }
#pragma unroll
        for (int s = 0; s < Cell::STATES; s++) old[s] = load(running, s * all + i);
        if constexpr (Cell::RECURRENT < Cell::GATES) {
            if (stage == 0) {
                const A factor = dropped(dropout, static_cast<A>(scale), seq, Cell::GATES - 1, sample, u);
                store(dropped_state, (Cell::GATES - 1) * all + i, Cell::reset(own, product, old, act) * factor);
                continue;
            }
        }
        Cell::step(own, product, old, now, plane, act);
        const bool counts = !mask || mask[sample * seq.steps + time], last = place + 1 == seq.steps;
#pragma unroll
        for (int s = 0; s < Cell::STATES; s++) {
            if (seq.is(RECORD) && place == 0) store(kept, seq.before(s, time, sample, u), old[s]);
            if (!counts) now[s] = old[s];
            store(running, s * all + i, now[s]);
            if (seq.is(RECORD)) store(kept, seq.after(s, time, sample, u), now[s]);
            if (last) store(states, s * all + i, now[s]);
        }
        if (seq.is(RECORD))
#pragma unroll
            for (int p = 0; p < Cell::PLANES; p++) store(kept, seq.plane(time, p, sample, u), plane[p]);
        const A out = !counts && seq.is(ZERO_OUTPUT) ? A(0) : now[0];
        if (seq.is(SEQUENCES))
            store(y, (sample * seq.steps + seq.output_time(place)) * seq.units + u, out);
        else if (last)
            store(y, i, out);
#pragma unroll
        for (int g = 0; g < Cell::RECURRENT; g++)
            store(dropped_state, g * all + i, now[0] * dropped(dropout, static_cast<A>(scale), seq, g, sample, u));
    }
}

// A step back of all samples. `products` are those of the gradients of the step after it with the transposed kernel, (gates,
// batch, units), which are added to the running gradient of the state first; `through` receives what goes into the next.
// Past the first step, `place` -1, only that is left to do. What is reset first takes two launches, as forward.
template <class Cell, class T>
__device__ __forceinline__ void step_back(const T* kept, const T* dy, const bool* mask, const bool* dropout, double scale_,
                                          const T* products, T* through_, Acc<T>* running, T* d_sums, T* d_products,
                                          T* before_, T* d_initial, const Sequence& seq, Activations act, i64 place, int stage) {
    using A = Acc<T>;
    const i64 time = seq.time(place), all = seq.batch * seq.units;
    const int width = Cell::GATES * seq.units;
    const A scale = static_cast<A>(scale_);
    const bool last = place + 1 == seq.steps;
    GRID_STRIDE(i, all) {
        const i64 sample = i / seq.units;
        const int u = static_cast<int>(i % seq.units);
        const auto product = [&](int g) {
            return load(products, g * all + i) * dropped(dropout, scale, seq, g, sample, u);
        };
        A d[2];
#pragma unroll
        for (int s = 0; s < Cell::STATES; s++) d[s] = running[s * all + i];
        if (stage == 0 && !last)
#pragma unroll
            for (int g = 0; g < Cell::RECURRENT; g++) d[0] += product(g);
        if (place < 0) {
#pragma unroll
            for (int s = 0; s < Cell::STATES; s++) store(d_initial, s * all + i, d[s]);
            continue;
        }
        const bool counts = !mask || mask[sample * seq.steps + time];
        A plane[4], old[2], now[2], own[Cell::GATES], through[Cell::GATES];
#pragma unroll
        for (int p = 0; p < Cell::PLANES; p++) plane[p] = load(kept, seq.plane(time, p, sample, u));
#pragma unroll
        for (int s = 0; s < Cell::STATES; s++) {
            old[s] = load(kept, seq.before(s, time, sample, u));
            now[s] = load(kept, seq.after(s, time, sample, u));
        }
        const i64 at = (sample * seq.steps + time) * width + u;
        if (stage == 0) {
            store(before_, (sample * seq.steps + time) * seq.units + u, old[0]);
            if (dy && (counts || !seq.is(ZERO_OUTPUT))) {
                if (seq.is(SEQUENCES))
                    d[0] += load(dy, (sample * seq.steps + seq.output_time(place)) * seq.units + u);
                else if (last)
                    d[0] += load(dy, i);
            }
            A before[2] = {d[0], d[1]};
            Cell::step_back(plane, old, now, before, own, through, act);
#pragma unroll
            for (int g = 0; g < Cell::GATES; g++) {
                own[g] = counts ? flushed(own[g]) : A(0);
                through[g] = counts ? flushed(through[g]) : A(0);
                store(through_, g * all + i, through[g]);
                store(d_sums, at + g * seq.units, own[g]);
                if (d_products) store(d_products, at + g * seq.units, through[g]);
            }
#pragma unroll
            for (int s = 0; s < Cell::STATES; s++) running[s * all + i] = counts ? flushed(before[s]) : d[s];
        } else if constexpr (Cell::RECURRENT < Cell::GATES) {
            if (!counts) continue;
            own[1] = A(0);
            running[i] = d[0] + Cell::reset_back(plane, old, product(Cell::GATES - 1), own, act);
            own[1] = flushed(own[1]);
            store(through_, all + i, own[1]);
            store(d_sums, at + seq.units, own[1]);
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
