// Axes in another order, where rows do not stay rows; copy.cu has the others. The host merges neighbours, so few are left.
#include "axes.cuh"
#include "words.cuh"

// Rows become columns: a block of 32 x 8 threads takes tiles of 32 x 32 elements through shared memory, so that both
// sides are read and written by neighbouring threads. An element (r, c) is x[r + c * from] and out[r * to + c]; The
// other axes move whole `matrices`.
template <class T>
__device__ void transpose_tiles(T* out, const T* x, i64 matrices, i64 rows, i64 columns, i64 from, i64 to,
                                const Axes<6>& outer, const Axes<6> (&strides)[2]) {
    constexpr int TILE = 32, STEP = 8;
    __shared__ T tile[TILE][TILE + 1];
    const int along = threadIdx.x % TILE, across = threadIdx.x / TILE;
    const i64 tiles_down = (rows + TILE - 1) / TILE, tiles_right = (columns + TILE - 1) / TILE;
#pragma unroll 1
    for (i64 t = blockIdx.x; t < matrices * tiles_down * tiles_right; t += gridDim.x) {
        const i64 down = t / tiles_right, right = t - down * tiles_right, matrix = down / tiles_down;
        const i64 row = (down - matrix * tiles_down) * TILE, column = right * TILE;
        i64 at[2];
        offsets(matrix, matrices, outer, strides, at);
        const i64 read = at[0], write = at[1];
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

#define ENTRY(S, T)                                                                                                   \
    extern "C" __global__ void __launch_bounds__(256)                                                                 \
        transpose_tiles_##S(T* out, const T* x, i64 matrices, i64 rows, i64 columns, i64 from, i64 to, SIX(d),        \
                            SIX(f), SIX(t)) {                                                                         \
        transpose_tiles(out, x, matrices, rows, columns, from, to, SIX_OF(d), {SIX_OF(f), SIX_OF(t)});                \
    }
WORDS(ENTRY)
