// Rows by their numbers, and the sum of what went where. An index out of range gives a row of `missing` and no gradient.
#include "index.cuh"
#include "words.cuh"

template <class T>
__device__ void gather_fwd(T* out, const T* x, const void* indices, int size, i64 n, i64 rows, i64 width, i64 missing) {
    GRID_STRIDE(i, n) {
        const i64 at = i / width, row = index_at(indices, at, size);
        out[i] = in_range(row, rows) ? x[row * width + (i - at * width)] : static_cast<T>(missing);
    }
}

// A sum over the threads below, in a block of 512.
__device__ unsigned sum_below(unsigned value) {
    __shared__ unsigned of_warps[16];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    unsigned sum = value;
#pragma unroll
    for (int by = 1; by < 32; by *= 2) {
        const unsigned other = __shfl_up_sync(~0u, sum, by);
        if (lane >= by) sum += other;
    }
    if (lane == 31) of_warps[warp] = sum;
    __syncthreads();
    for (int below = 0; below < warp; ++below) sum += of_warps[below];
    __syncthreads();
    return sum - value;
}

// Sorts the numbers 0..n of the indices by the rows that they name, those of one row in their order; an index out of
// range sorts as `rows`. One block; a radix sort, four bits a pass: each thread counts the digits of its part of the
// numbers, the counts become places by a sum over all that come before, and each thread puts its part there. `order` is
// two arrays of n; the result is in the one that `passes` is odd or even for.
extern "C" __global__ void __launch_bounds__(512)
    gather_sort_i32(int* order, const void* indices, int size, i64 n, i64 rows, int passes) {
    constexpr int THREADS = 512, DIGITS = 16;
    __shared__ unsigned places[DIGITS * THREADS];
    const int me = threadIdx.x;
    const i64 each = (n + THREADS - 1) / THREADS, start = min(me * each, n), end = min(start + each, n);
#pragma unroll 1
    for (int pass = 0; pass < passes; ++pass) {
        const int* from = order + pass % 2 * n;
        int* to = order + (pass + 1) % 2 * n;
        const auto number = [&](i64 i) { return pass == 0 ? static_cast<int>(i) : from[i]; };
        const auto digit = [&](int number) {
            const i64 row = index_at(indices, number, size);
            return static_cast<int>((in_range(row, rows) ? row : rows) >> (4 * pass)) & (DIGITS - 1);
        };
#pragma unroll
        for (int d = 0; d < DIGITS; ++d) places[d * THREADS + me] = 0;
        for (i64 i = start; i < end; ++i) ++places[digit(number(i)) * THREADS + me];
        __syncthreads();
        unsigned sum = 0;
#pragma unroll
        for (int d = 0; d < DIGITS; ++d) sum += places[me * DIGITS + d];
        sum = sum_below(sum);
#pragma unroll
        for (int d = 0; d < DIGITS; ++d) {
            const unsigned count = places[me * DIGITS + d];
            places[me * DIGITS + d] = sum;
            sum += count;
        }
        __syncthreads();
        for (i64 i = start; i < end; ++i) {
            const int moved = number(i);
            to[places[digit(moved) * THREADS + me]++] = moved;
        }
        __syncthreads();
    }
}

// Adds the rows of dy that went to one row of out, in their order: a block for each place in the sorted numbers where a
// row's begin. Rows that no index names are not written.
template <class T>
__device__ void gather_bwd(T* out, const T* dy, const void* indices, int size, const int* order, int half, i64 n,
                           i64 rows, i64 width) {
    order += half * n;
    const auto row_at = [&](i64 i) { return index_at(indices, order[i], size); };
#pragma unroll 1
    for (i64 start = blockIdx.x; start < n; start += gridDim.x) {
        const i64 row = row_at(start);
        if (!in_range(row, rows) || (start > 0 && row_at(start - 1) == row)) continue;
        // The end, by doubling steps and then halving the last one.
        i64 step = 1;
        while (start + step < n && row_at(start + step) == row) step *= 2;
        i64 end = start + step / 2;  // known to be of this row
        for (step /= 2; step > 1;) {
            step /= 2;
            if (end + step < n && row_at(end + step) == row) end += step;
        }
#pragma unroll 1
        for (i64 column = threadIdx.x; column < width; column += blockDim.x) {
            Acc<T> sum = 0;
#pragma unroll 4
            for (i64 i = start; i <= end; ++i) sum += load(dy, order[i] * width + column);
            store(out, row * width + column, sum);
        }
    }
}

#define MOVE(S, T)                                                                                                 \
    extern "C" __global__ void gather_fwd_##S(T* out, const T* x, const void* indices, int size, i64 n, i64 rows,  \
                                              i64 width, i64 missing) {                                            \
        gather_fwd(out, x, indices, size, n, rows, width, missing);                                                \
    }
WORDS(MOVE)

#define ADD(S, T)                                                                                                  \
    extern "C" __global__ void gather_bwd_##S(T* out, const T* dy, const void* indices, int size, const int* order, \
                                              int half, i64 n, i64 rows, i64 width) {                              \
        gather_bwd(out, dy, indices, size, order, half, n, rows, width);                                           \
    }
FLOATS(ADD)
