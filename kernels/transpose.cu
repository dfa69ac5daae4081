// Axes in another order. The host merges neighbours, so few are left.
#include "words.cuh"

// Rows stay rows: element i of out is the one of x that its index along `rank` axes names, by extents and strides.
template <class T>
__device__ void transpose_rows(T* out, const T* x, i64 n, int rank, const i64 (&extents)[8], const i64 (&strides)[8]) {
    GRID_STRIDE(i, n) {
        i64 rest = i, from = 0;
#pragma unroll
        for (int axis = 7; axis >= 0; --axis) {
            if (axis < rank) {
                const i64 next = rest / extents[axis];
                from += (rest - next * extents[axis]) * strides[axis];
                rest = next;
            }
        }
        out[i] = x[from];
    }
}

// Rows become columns: a block of 32 x 8 threads takes tiles of 32 x 32 elements through shared memory, so that both
// sides are read and written by neighbouring threads. An element (r, c) is x[r + c * from] and out[r * to + c]; `outer`
// other axes move whole matrices.
template <class T>
__device__ void transpose_tiles(T* out, const T* x, i64 tiles, i64 rows, i64 columns, i64 from, i64 to, int outer,
                                const i64 (&extents)[6], const i64 (&from_outer)[6], const i64 (&to_outer)[6]) {
    constexpr int TILE = 32, STEP = 8;
    __shared__ T tile[TILE][TILE + 1];
    const int along = threadIdx.x % TILE, across = threadIdx.x / TILE;
    const i64 tiles_down = (rows + TILE - 1) / TILE, tiles_right = (columns + TILE - 1) / TILE;
#pragma unroll 1
    for (i64 t = blockIdx.x; t < tiles; t += gridDim.x) {
        const i64 down = t / tiles_right, right = t - down * tiles_right;
        i64 rest = down / tiles_down, read = 0, write = 0;
        const i64 row = (down - rest * tiles_down) * TILE, column = right * TILE;
#pragma unroll
        for (int axis = 5; axis >= 0; --axis) {
            if (axis < outer) {
                const i64 next = rest / extents[axis], at = rest - next * extents[axis];
                read += at * from_outer[axis];
                write += at * to_outer[axis];
                rest = next;
            }
        }
#pragma unroll
        for (int k = across; k < TILE; k += STEP) {
            if (row + along < rows && column + k < columns) tile[k][along] = x[read + row + along + (column + k) * from];
        }
        __syncthreads();
#pragma unroll
        for (int k = across; k < TILE; k += STEP) {
            if (row + k < rows && column + along < columns) out[write + (row + k) * to + column + along] = tile[along][k];
        }
        __syncthreads();
    }
}

#define SIX(p) i64 p##0, i64 p##1, i64 p##2, i64 p##3, i64 p##4, i64 p##5
#define EIGHT(p) SIX(p), i64 p##6, i64 p##7
#define ENTRY(S, T)                                                                                                   \
    extern "C" __global__ void transpose_rows_##S(T* out, const T* x, i64 n, int rank, EIGHT(d), EIGHT(s)) {          \
        transpose_rows(out, x, n, rank, {d0, d1, d2, d3, d4, d5, d6, d7}, {s0, s1, s2, s3, s4, s5, s6, s7});          \
    }                                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256)                                                                 \
        transpose_tiles_##S(T* out, const T* x, i64 tiles, i64 rows, i64 columns, i64 from, i64 to, int outer,        \
                            SIX(d), SIX(f), SIX(t)) {                                                                 \
        transpose_tiles(out, x, tiles, rows, columns, from, to, outer, {d0, d1, d2, d3, d4, d5},                      \
                        {f0, f1, f2, f3, f4, f5}, {t0, t1, t2, t3, t4, t5});                                          \
    }
WORDS(ENTRY)
