// How the window of a convolution moves over three spatial axes (fewer have leading axes of one element), as
// src/device/cpu/conv has it.
#pragma once
#include "dtypes.cuh"

struct Axis {
    int input, output, size, stride, dilation, before;
};

// Input (batch, z, y, x, channels), kernel (z, y, x, channels / groups, filters), output (batch, z, y, x, filters).
struct Geometry {
    Axis axes[3];
    i64 batch;
    int channels, filters, groups;

    // Channels and filters of a group.
    __device__ __forceinline__ int depth() const { return channels / groups; }
    __device__ __forceinline__ int width() const { return filters / groups; }
};

// A kernel's parameters.
#define AXIS(a) int a##_input, int a##_output, int a##_size, int a##_stride, int a##_dilation, int a##_before
#define AXIS_OF(a) {a##_input, a##_output, a##_size, a##_stride, a##_dilation, a##_before}
#define GEOMETRY AXIS(z), AXIS(y), AXIS(x), i64 batch, int channels, int filters, int groups
#define GEOMETRY_OF {{AXIS_OF(z), AXIS_OF(y), AXIS_OF(x)}, batch, channels, filters, groups}

// What the places of one side see of the other side along an axis: place q · spread + shift sees, through the kernel's
// element tap + j · tap_step, the other side's place q · move + start + j · reach, for q in 0..places and j in 0..taps.
struct Walk {
    int places, spread, shift, taps, tap, tap_step, move, start, reach, extent;
};

// What the output sees of the input.
__device__ __forceinline__ Walk forward(const Axis& a) {
    return {a.output, 1, 0, a.size, 0, 1, a.stride, -a.before, a.dilation, a.input};
}

// How many classes of places there are along an axis of the input: those that are equal modulo the stride see the
// output through the same elements of the kernel.
__device__ __forceinline__ int phases(const Axis& a) { return min(a.stride, a.input); }

// What the input's places of a class see of the output: i sees (i + before − k · dilation) / stride through the k for
// which that is whole, which are every (stride / gcd(stride, dilation))-th.
__device__ __forceinline__ Walk backward(const Axis& a, int phase) {
    const int places = (a.input - phase + a.stride - 1) / a.stride;
    if (a.stride == 1) return {places, 1, 0, a.size, 0, 1, 1, a.before, -a.dilation, a.output};
    int tap = 0, tap_step = 1;
    while (tap < a.size && tap < a.stride && (phase + a.before - tap * a.dilation) % a.stride != 0) ++tap;
    while (tap_step * a.dilation % a.stride != 0) ++tap_step;
    const int taps = tap < a.size && tap < a.stride ? (a.size - tap + tap_step - 1) / tap_step : 0;
    const int start = (phase + a.before - tap * a.dilation) / a.stride, reach = -(tap_step * a.dilation / a.stride);
    return {places, a.stride, phase, taps, tap, tap_step, 1, start, reach, a.output};
}

__device__ __forceinline__ bool inside(int place, int extent) {
    return static_cast<unsigned>(place) < static_cast<unsigned>(extent);
}

__device__ __forceinline__ int tiles(int count, int size) { return (count + size - 1) / size; }

// block % count with block / count left in block: the numbers of a block from the last to the first.
__device__ __forceinline__ int next(unsigned& block, unsigned count) {
    const unsigned i = block % count;
    block /= count;
    return static_cast<int>(i);
}

// i / by with the rest left in i; division of 64 bits takes several times as long as of 32.
__device__ __forceinline__ i64 take(i64& i, i64 by) {
    const bool narrow = (i | by) >> 32 == 0;
    const i64 quotient = narrow ? static_cast<unsigned>(i) / static_cast<unsigned>(by) : i / by;
    i -= quotient * by;
    return quotient;
}

// Division of numbers below 2^31 by one that is not known when the kernel is compiled, as a multiplication (Granlund
// and Montgomery, Division by invariant integers using multiplication, 1994).
struct Divisor {
    unsigned by, factor;
    int shift;

    __device__ __forceinline__ explicit Divisor(unsigned by) : by(by), factor(0), shift(0) {
        if (by == 1) return;
        const int bits = 63 - __clz(by - 1);  // 31 + ⌈log2 by⌉
        factor = static_cast<unsigned>(((1ull << bits) + by - 1) / by);
        shift = bits - 32;
    }
    // n / by with the rest left in n.
    __device__ __forceinline__ unsigned take(unsigned& n) const {
        const unsigned quotient = by == 1 ? n : __umulhi(n, factor) >> shift;
        n -= quotient * by;
        return quotient;
    }
};
