// Blocks of rows at even distances in two arrays, and elements at any.
#include "axes.cuh"
#include "words.cuh"

// out[to + r * to_pitch + c] = x[from + r * from_pitch + c] for the n / width rows r and the width columns c.
template <class T>
__device__ void copy_block(T* out, const T* x, i64 n, i64 width, i64 from, i64 from_pitch, i64 to, i64 to_pitch) {
    GRID_STRIDE(i, n) {
        const i64 row = i / width, column = i - row * width;
        out[to + row * to_pitch + column] = x[from + row * from_pitch + column];
    }
}

// The n elements of out are rows of `pitch`, the columns from `to` on those of x, which has `width`; the others are
// `value`, the bits of an element.
template <class T>
__device__ void copy_pad(T* out, const T* x, i64 n, i64 width, i64 to, i64 pitch, i64 value) {
    GRID_STRIDE(i, n) {
        const i64 row = i / pitch, column = i - row * pitch - to;
        out[i] = 0 <= column && column < width ? x[row * width + column] : static_cast<T>(value);
    }
}

// out[i] is x[i] where its column is at most its row and the diagonal, in matrices of height rows and width columns;
// else 0.
template <class T>
__device__ void copy_tril(T* out, const T* x, i64 n, i64 height, i64 width, i64 diagonal) {
    GRID_STRIDE(i, n) {
        const i64 row = i / width, column = i - row * width;
        out[i] = column <= row % height + diagonal ? x[i] : static_cast<T>(0);
    }
}

// out[i] is the element of x that the index of i along the axes names by their strides.
template <class T>
__device__ void copy_strided(T* out, const T* x, i64 n, const Eight& extents, const Eight (&strides)[1]) {
    GRID_STRIDE(i, n) {
        i64 from[1];
        offsets(i, n, extents, strides, from);
        out[i] = x[from[0]];
    }
}

#define ENTRY(S, T)                                                                                                   \
    extern "C" __global__ void copy_block_##S(T* out, const T* x, i64 n, i64 width, i64 from, i64 from_pitch, i64 to, \
                                              i64 to_pitch) {                                                         \
        copy_block(out, x, n, width, from, from_pitch, to, to_pitch);                                                 \
    }                                                                                                                 \
    extern "C" __global__ void copy_pad_##S(T* out, const T* x, i64 n, i64 width, i64 to, i64 pitch,                  \
                                            i64 value) {                                                              \
        copy_pad(out, x, n, width, to, pitch, value);                                                                 \
    }                                                                                                                 \
    extern "C" __global__ void copy_tril_##S(T* out, const T* x, i64 n, i64 height, i64 width, i64 diagonal) {        \
        copy_tril(out, x, n, height, width, diagonal);                                                                \
    }                                                                                                                 \
    extern "C" __global__ void copy_strided_##S(T* out, const T* x, i64 n, EIGHT(d), EIGHT(s)) {                      \
        copy_strided(out, x, n, EIGHT_OF(d), {EIGHT_OF(s)});                                                          \
    }
WORDS(ENTRY)
