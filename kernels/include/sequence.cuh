// What passes over sequences share: activations, where a step's numbers stand, dropout.
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

// The extents of a sequence and where its parts are kept: see src/ops/recurrent/layout.rs.
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

// Gradients below this vanish: they are nothing to a weight, and the CPU's are 0 too.
__device__ __forceinline__ float flushed(float x) { return fabsf(x) < 1e-30f ? 0.0f : x; }
__device__ __forceinline__ double flushed(double x) { return fabs(x) < 1e-290 ? 0.0 : x; }
