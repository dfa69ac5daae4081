// The largest element and the mean of what a window sees at each of its steps over three axes of (batch, …, channels), and
// their backwards. A thread has a position's element or, where the channels allow it, sixteen bytes of neighbours. In a
// backward an element gathers from the windows that see it, so that no two threads add to one.
#include "lanes.cuh"

// One axis: elements of the input, steps of the window, its size, how far it moves, the padding before the input.
struct Slide {
    i64 input, steps, size, stride, before;

    // The elements that the window sees at a step.
    __device__ __forceinline__ i64 first(i64 step) const { return max(step * stride - before, 0ll); }
    __device__ __forceinline__ i64 end(i64 step) const { return min(step * stride - before + size, input); }
    // The number that an element has in the window, the padding counted.
    __device__ __forceinline__ i64 number(i64 step, i64 at) const { return at + before - step * stride; }
    // The steps whose windows see an element.
    __device__ __forceinline__ i64 first_step(i64 at) const {
        return at + before < size ? 0 : divide(at + before - size, stride) + 1;
    }
    __device__ __forceinline__ i64 end_step(i64 at) const { return min(divide(at + before, stride) + 1, steps); }

    // Division of 64 bits takes several times as long as of 32.
    __device__ __forceinline__ static i64 divide(i64 a, i64 b) {
        const bool narrow = (a | b) <= 0xffffffffll;
        return narrow ? static_cast<unsigned>(a) / static_cast<unsigned>(b) : a / b;
    }
};

struct Slides {
    Slide at[3];
};
#define THREE(x) i64 x##0, i64 x##1, i64 x##2
#define SLIDES THREE(input), THREE(steps), THREE(size), THREE(stride), THREE(before)
#define SLIDE(i) {input##i, steps##i, size##i, stride##i, before##i}
#define SLIDES_OF Slides{{SLIDE(0), SLIDE(1), SLIDE(2)}}

// The place of a thread's lanes: an image, three positions, and which of the position's lanes.
struct Place {
    i64 image, at[3], lane;

    __device__ __forceinline__ Place(i64 i, i64 lanes, i64 e0, i64 e1, i64 e2) {
        i64 rest = Slide::divide(i, lanes);
        lane = i - rest * lanes;
        split(rest, e2, at[2]);
        split(rest, e1, at[1]);
        split(rest, e0, at[0]);
        image = rest;
    }
    __device__ __forceinline__ static void split(i64& rest, i64 extent, i64& at) {
        const i64 whole = Slide::divide(rest, extent);
        at = rest - whole * extent;
        rest = whole;
    }
};

// Calls f(lanes of x, number in the window) for what the window sees at a place of the output.
template <class F> __device__ __forceinline__ void each_seen(const Slides& s, const Place& p, i64 lanes, F f) {
    const Slide &a = s.at[0], &b = s.at[1], &c = s.at[2];
    const i64 start = c.first(p.at[2]), end = c.end(p.at[2]);
#pragma unroll 1
    for (i64 i = a.first(p.at[0]); i < a.end(p.at[0]); ++i) {
#pragma unroll 1
        for (i64 j = b.first(p.at[1]); j < b.end(p.at[1]); ++j) {
            const i64 row = ((p.image * a.input + i) * b.input + j) * c.input;
            const i64 number = (a.number(p.at[0], i) * b.size + b.number(p.at[1], j)) * c.size;
#pragma unroll 2
            for (i64 k = start; k < end; ++k) f((row + k) * lanes + p.lane, number + c.number(p.at[2], k));
        }
    }
}

// Calls f(lanes of y, number in the window, elements that the window sees) for the windows that see a place of the input.
template <class F> __device__ __forceinline__ void each_seeing(const Slides& s, const Place& p, i64 lanes, F f) {
    const Slide &a = s.at[0], &b = s.at[1], &c = s.at[2];
    const i64 start = c.first_step(p.at[2]), end = c.end_step(p.at[2]);
#pragma unroll 1
    for (i64 i = a.first_step(p.at[0]); i < a.end_step(p.at[0]); ++i) {
#pragma unroll 1
        for (i64 j = b.first_step(p.at[1]); j < b.end_step(p.at[1]); ++j) {
            const i64 row = ((p.image * a.steps + i) * b.steps + j) * c.steps;
            const i64 number = (a.number(i, p.at[0]) * b.size + b.number(j, p.at[1])) * c.size;
            const i64 seen = (a.end(i) - a.first(i)) * (b.end(j) - b.first(j));
#pragma unroll 2
            for (i64 k = start; k < end; ++k) {
                f((row + k) * lanes + p.lane, number + c.number(k, p.at[2]), seen * (c.end(k) - c.first(k)));
            }
        }
    }
}

template <int N, class T, class I>
__device__ __forceinline__ void max_forward(T* y, I* at, const T* x, i64 positions, i64 channels, const Slides& s) {
    using A = Acc<T>;
    const i64 count = channels / N;
    GRID_STRIDE(i, positions * count) {
        const Place p(i, count, s.at[0].steps, s.at[1].steps, s.at[2].steps);
        Lanes<T, N> best;
        int number[N];
        bool first = true;
        each_seen(s, p, count, [&](i64 from, i64 k) {
            const Lanes<T, N> found = lanes<N>(x, from);
#pragma unroll
            for (int l = 0; l < N; ++l) {
                const A v = load(found.at, l), b = first ? v : load(best.at, l);
                // The first of equal ones stays, and the first NaN.
                if (first || v > b || (v != v && b == b)) {
                    best.at[l] = found.at[l];
                    number[l] = static_cast<int>(k);
                }
            }
            first = false;
        });
        lanes<N>(y, i) = best;
        Lanes<I, N> numbers;
#pragma unroll
        for (int l = 0; l < N; ++l) numbers.at[l] = static_cast<I>(number[l]);
        lanes<N>(at, i) = numbers;
    }
}

template <int N, class T, class I>
__device__ __forceinline__ void max_backward(T* dx, const I* at, const T* dy, i64 positions, i64 channels,
                                             const Slides& s) {
    using A = Acc<T>;
    const i64 count = channels / N;
    GRID_STRIDE(i, positions * count) {
        const Place p(i, count, s.at[0].input, s.at[1].input, s.at[2].input);
        A sum[N] = {};
        each_seeing(s, p, count, [&](i64 from, i64 k, i64) {
            const Lanes<I, N> numbers = lanes<N>(at, from);
            const Lanes<T, N> g = lanes<N>(dy, from);
#pragma unroll
            for (int l = 0; l < N; ++l) sum[l] += numbers.at[l] == k ? load(g.at, l) : A(0);
        });
        Lanes<T, N> out;
#pragma unroll
        for (int l = 0; l < N; ++l) store(out.at, l, sum[l]);
        lanes<N>(dx, i) = out;
    }
}

template <int N, class T>
__device__ __forceinline__ void average_forward(T* y, const T* x, i64 positions, i64 channels, const Slides& s) {
    using A = Acc<T>;
    const i64 count = channels / N;
    GRID_STRIDE(i, positions * count) {
        const Place p(i, count, s.at[0].steps, s.at[1].steps, s.at[2].steps);
        A sum[N] = {};
        i64 seen = 0;
        each_seen(s, p, count, [&](i64 from, i64) {
            const Lanes<T, N> found = lanes<N>(x, from);
            ++seen;
#pragma unroll
            for (int l = 0; l < N; ++l) sum[l] += load(found.at, l);
        });
        Lanes<T, N> out;
#pragma unroll
        for (int l = 0; l < N; ++l) store(out.at, l, sum[l] / static_cast<A>(seen));
        lanes<N>(y, i) = out;
    }
}

template <int N, class T>
__device__ __forceinline__ void average_backward(T* dx, const T* dy, i64 positions, i64 channels, const Slides& s) {
    using A = Acc<T>;
    const i64 count = channels / N;
    GRID_STRIDE(i, positions * count) {
        const Place p(i, count, s.at[0].input, s.at[1].input, s.at[2].input);
        A sum[N] = {};
        each_seeing(s, p, count, [&](i64 from, i64, i64 seen) {
            const Lanes<T, N> g = lanes<N>(dy, from);
            const A share = A(1) / static_cast<A>(seen);
#pragma unroll
            for (int l = 0; l < N; ++l) sum[l] += load(g.at, l) * share;
        });
        Lanes<T, N> out;
#pragma unroll
        for (int l = 0; l < N; ++l) store(out.at, l, sum[l]);
        lanes<N>(dx, i) = out;
    }
}

// Sixteen bytes at a time where they do not reach into the next position.
#define BY_LANES(T, WORK, ...)                                                       \
    constexpr int N = 16 / sizeof(T);                                                \
    if (channels % N == 0) WORK<N>(__VA_ARGS__, positions, channels, SLIDES_OF);     \
    else WORK<1>(__VA_ARGS__, positions, channels, SLIDES_OF);

#define MAX(S, T, IS, I)                                                                                                  \
    extern "C" __global__ void max_pool_fwd_##IS##_##S(T* y, I* at, const T* x, i64 positions, i64 channels, SLIDES) {    \
        BY_LANES(T, max_forward, y, at, x)                                                                                \
    }                                                                                                                     \
    extern "C" __global__ void max_pool_bwd_##IS##_##S(T* dx, const I* at, const T* dy, i64 positions, i64 channels,      \
                                                       SLIDES) {                                                          \
        BY_LANES(T, max_backward, dx, at, dy)                                                                             \
    }
#define AVERAGE(S, T)                                                                                               \
    extern "C" __global__ void average_pool_fwd_##S(T* y, const T* x, i64 positions, i64 channels, SLIDES) {        \
        BY_LANES(T, average_forward, y, x)                                                                          \
    }                                                                                                               \
    extern "C" __global__ void average_pool_bwd_##S(T* dx, const T* dy, i64 positions, i64 channels, SLIDES) {      \
        BY_LANES(T, average_backward, dx, dy)                                                                       \
    }
#define EACH(S, T) MAX(S, T, u8, u8) MAX(S, T, i32, int) AVERAGE(S, T)
FLOATS(EACH)
