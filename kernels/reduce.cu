// Sum, mean, max and min over axes: `whole` from elements to results, or `parts` from elements to folded chunks and `end`
// from chunks to results.
//
// A block of 256 folds a tile of outputs. `lanes` threads, a power of two, share an output; neighbouring threads are of
// one output along rows, else of neighbouring outputs, so that a warp reads whole lines either way. The order of the
// folding is a function of the shape alone, so a rerun gives the same bits.
#include "axes.cuh"

constexpr int THREADS = 256;

struct sum {
    template <class A> static __device__ __forceinline__ A start() { return A(0); }
    template <class A> static __device__ __forceinline__ A fold(A a, A b) { return a + b; }
    template <class A> static __device__ __forceinline__ A finish(A folded, i64) { return folded; }
};
struct mean : sum {
    template <class A> static __device__ __forceinline__ A finish(A folded, i64 total) { return folded / A(total); }
};
struct max_ : sum {
    template <class A> static __device__ __forceinline__ A start() { return A(-INFINITY); }
    template <class A> static __device__ __forceinline__ A fold(A a, A b) { return a > b || a != a ? a : b; }
};
struct min_ : sum {
    template <class A> static __device__ __forceinline__ A start() { return A(INFINITY); }
    template <class A> static __device__ __forceinline__ A fold(A a, A b) { return a < b || a != a ? a : b; }
};

using Four = Axes<4>;

template <class F, bool FINISH, class From, class To>
__device__ __forceinline__ void reduce(const From* x, To* out, i64 outputs, i64 count, const Four& kept,
                                       const Four (&kept_strides)[1], const Four& reduced,
                                       const Four (&reduced_strides)[1], i64 lanes_, i64 along_rows, i64 chunk, i64 total) {
    using A = Acc<From>;
    __shared__ A folded[THREADS];
    const int lanes = static_cast<int>(lanes_), tile = THREADS / lanes, t = threadIdx.x;
    const int lane = along_rows ? t % lanes : t / tile, column = along_rows ? t / lanes : t % tile;
    const int step = along_rows ? 1 : tile;  // to the next lane of the same output
    const i64 first = blockIdx.y * chunk, end = min(first + chunk, count);
    const bool one_axis = reduced.at[1] == 1;
    for (i64 base = blockIdx.x * static_cast<i64>(tile); base < outputs; base += gridDim.x * static_cast<i64>(tile)) {
        const i64 o = base + column;
        A value = F::template start<A>();
        if (o < outputs) {
            i64 start[1];
            offsets(o, outputs, kept, kept_strides, start);
            const From* from = x + start[0];
            const auto at = [&](i64 r) {
                i64 place[1] = {r * reduced_strides[0].at[0]};
                if (!one_axis) offsets(r, count, reduced, reduced_strides, place);
                return load(from, place[0]);
            };
            // Four sums, so that four loads are under way.
            A some[4] = {value, value, value, value};
            i64 r = first + lane;
#pragma unroll 1
            for (; r + 3 * lanes < end; r += 4 * lanes) {
#pragma unroll
                for (int j = 0; j < 4; ++j) some[j] = F::fold(some[j], at(r + j * lanes));
            }
#pragma unroll 1
            for (; r < end; r += lanes) some[0] = F::fold(some[0], at(r));
            value = F::fold(F::fold(some[0], some[1]), F::fold(some[2], some[3]));
        }
        folded[t] = value;
        __syncthreads();
        for (int half = lanes / 2; half > 0; half /= 2) {
            if (lane < half) folded[t] = F::fold(folded[t], folded[t + half * step]);
            __syncthreads();
        }
        if (lane == 0 && o < outputs) {
            value = folded[t];
            if constexpr (FINISH) store(out, o, static_cast<Acc<To>>(F::finish(value, total)));
            else out[o * gridDim.y + blockIdx.y] = value;
        }
        __syncthreads();
    }
}

#define ENTRY(NAME, F, FINISH, FROM, TO)                                                                             \
    extern "C" __global__ void NAME(const FROM* x, TO* out, i64 outputs, i64 count, FOUR(ke), FOUR(ks), FOUR(re),    \
                                    FOUR(rs), i64 lanes, i64 along_rows, i64 chunk, i64 total) {                     \
        reduce<F, FINISH>(x, out, outputs, count, FOUR_OF(ke), {FOUR_OF(ks)}, FOUR_OF(re), {FOUR_OF(rs)}, lanes,     \
                          along_rows, chunk, total);                                                                 \
    }
#define ENTRIES(NAME, F, S, T)                         \
    ENTRY(NAME##_fwd_##S, F, true, T, T)               \
    ENTRY(NAME##_parts_##S, F, false, T, Acc<T>)       \
    ENTRY(NAME##_end_##S, F, true, Acc<T>, T)
#define EACH(S, T)                \
    ENTRIES(sum, sum, S, T)       \
    ENTRIES(mean, mean, S, T)     \
    ENTRIES(max, max_, S, T)      \
    ENTRIES(min, min_, S, T)
FLOATS(EACH)
