// Products that a warp forms of rows in shared memory: 16 rows by 8 columns of sums at a time, on the tensor cores. What an
// element is decides how (`Multiply`):
//
//     f16, bf16      16 terms at once, sums in f32
//     Tf32           f32 rounded to TF32, 8 terms
//     float          f32 as a sum of two TF32: three products of 8 terms, which leave an error of some 2^-21
//     double         8 terms by multiply-adds, through shuffles: for checking
//
// Lane l has of the sums rows l / 4 and l / 4 + 8, and of those columns l % 4 * 2 and the next: c[0], c[1], then c[2], c[3].
#pragma once
#include "tiles.cuh"

struct Tf32 {};

template <class M> struct Multiply {
    using T = M;
    using Word = unsigned;
    static constexpr int TERMS = 16;
    static __device__ __forceinline__ void mma(float (&c)[4], const Word (&a)[4], Word b0, Word b1) {
        ::mma(M(), c, a, b0, b1);
    }
};
template <> struct Multiply<Tf32> {
    using T = float;
    using Word = unsigned;
    static constexpr int TERMS = 8;
    static __device__ __forceinline__ void mma(float (&c)[4], const Word (&a)[4], Word b0, Word b1) {
        const Word left[4] = {rounded_to_tf32(a[0]), rounded_to_tf32(a[1]), rounded_to_tf32(a[2]), rounded_to_tf32(a[3])};
        ::mma(float(), c, left, rounded_to_tf32(b0), rounded_to_tf32(b1));
    }
};
template <> struct Multiply<float> {
    using T = float;
    using Word = unsigned;
    static constexpr int TERMS = 8;
    static __device__ __forceinline__ Word rest(Word whole, Word rounded) {
        return rounded_to_tf32(__float_as_uint(__uint_as_float(whole) - __uint_as_float(rounded)));
    }
    static __device__ __forceinline__ void mma(float (&c)[4], const Word (&a)[4], Word b0, Word b1) {
        Word high[4], low[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            high[i] = rounded_to_tf32(a[i]);
            low[i] = rest(a[i], high[i]);
        }
        const Word high0 = rounded_to_tf32(b0), high1 = rounded_to_tf32(b1);
        // The small ones first, so that they are not lost in the sum.
        ::mma(float(), c, low, high0, high1);
        ::mma(float(), c, high, rest(b0, high0), rest(b1, high1));
        ::mma(float(), c, high, high0, high1);
    }
};
template <> struct Multiply<double> {
    using T = double;
    using Word = double;
    static constexpr int TERMS = 8;
    static __device__ __forceinline__ void mma(double (&c)[4], const Word (&a)[4], Word b0, Word b1) {
        const int lane = threadIdx.x % 32, row = lane / 4 * 4, column = lane % 4 * 8;
#pragma unroll
        for (int k = 0; k < 8; ++k) {
            const double upper = __shfl_sync(~0u, a[k / 4 * 2], row + k % 4), lower = __shfl_sync(~0u, a[k / 4 * 2 + 1], row + k % 4);
            const double b = k < 4 ? b0 : b1;
            const double left = __shfl_sync(~0u, b, column + k % 4), right = __shfl_sync(~0u, b, column + 4 + k % 4);
            c[0] += upper * left;
            c[1] += upper * right;
            c[2] += lower * left;
            c[3] += lower * right;
        }
    }
};

__device__ __forceinline__ unsigned word(float x) { return __float_as_uint(x); }
__device__ __forceinline__ double word(double x) { return x; }
__device__ __forceinline__ unsigned pair(f16, float a, float b) {
    const __half2 two = __floats2half2_rn(a, b);
    return reinterpret_cast<const unsigned&>(two);
}
__device__ __forceinline__ unsigned pair(bf16, float a, float b) {
    const __nv_bfloat162 two = __floats2bfloat162_rn(a, b);
    return reinterpret_cast<const unsigned&>(two);
}

// Four 8 × 8 matrices of halves, of which lane 8 i + r has the address of row r of number i; transposed or not.
template <bool TRANSPOSED> __device__ __forceinline__ void load_matrices(unsigned (&to)[4], const void* row) {
    const unsigned place = static_cast<unsigned>(__cvta_generic_to_shared(row));
    if constexpr (TRANSPOSED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                     : "r"(place));
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                     : "r"(place));
    }
}

// 16 rows by TERMS terms from where `at` points to, `stride` elements between the rows: rows 0–7 and 8–15 of the first half of
// the terms, then of the second.
template <class M, class T = typename Multiply<M>::T>
__device__ __forceinline__ void load_rows(typename Multiply<M>::Word (&to)[4], const T* at, int stride) {
    const int lane = threadIdx.x % 32;
    if constexpr (sizeof(T) == 2) {
        load_matrices<false>(to, at + lane % 16 * stride + lane / 16 * 8);
    } else {
        const T* from = at + lane / 4 * stride + lane % 4;
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] = word(from[i % 2 * 8 * stride + i / 2 * 4]);
    }
}

// c += a · bᵀ: 16 rows of a by 8 · COLUMNS rows of b, over so many terms, a multiple of TERMS.
template <class M, int COLUMNS, class T = typename Multiply<M>::T>
__device__ __forceinline__ void add_dot(Acc<T> (&c)[COLUMNS][4], const T* a, int a_stride, const T* b, int b_stride, int terms) {
    static_assert(COLUMNS % 2 == 0, "rows are loaded sixteen at a time");
    using Word = typename Multiply<M>::Word;
#pragma unroll 1
    for (int k = 0; k < terms; k += Multiply<M>::TERMS) {
        Word left[4];
        load_rows<M>(left, a + k, a_stride);
#pragma unroll
        for (int j = 0; j < COLUMNS; j += 2) {
            Word two[4];
            load_rows<M>(two, b + j * 8 * b_stride + k, b_stride);
            Multiply<M>::mma(c[j], left, two[0], two[2]);
            Multiply<M>::mma(c[j + 1], left, two[1], two[3]);
        }
    }
}

// c += p · b: p are 16 rows of sums by 8 · TERMS_8 terms, as this warp has them in registers, b as many rows of 8 · COLUMNS
// elements, of which the first `columns` are there.
template <class M, int COLUMNS, int TERMS_8, class T = typename Multiply<M>::T>
__device__ __forceinline__ void add_product(Acc<T> (&c)[COLUMNS][4], const Acc<T> (&p)[TERMS_8][4], const T* b, int stride,
                                            int columns) {
    using Word = typename Multiply<M>::Word;
    const int lane = threadIdx.x % 32;
    if constexpr (sizeof(T) == 2) {
#pragma unroll
        for (int k = 0; k < TERMS_8; k += 2) {
            const Word left[4] = {pair(T(), p[k][0], p[k][1]), pair(T(), p[k][2], p[k][3]),
                                  pair(T(), p[k + 1][0], p[k + 1][1]), pair(T(), p[k + 1][2], p[k + 1][3])};
            const T* from = b + (k * 8 + lane / 16 * 8 + lane % 8) * stride + lane / 8 % 2 * 8;
#pragma unroll
            for (int j = 0; j < COLUMNS; j += 2) {
                if (j * 8 < columns) {
                    Word two[4];
                    load_matrices<true>(two, from + j * 8);
                    Multiply<M>::mma(c[j], left, two[0], two[2]);
                    Multiply<M>::mma(c[j + 1], left, two[1], two[3]);
                }
            }
        }
    } else {
#pragma unroll
        for (int k = 0; k < TERMS_8; ++k) {
            // The order of terms is free: that in which the sums lie here needs no exchange between lanes.
            const Word left[4] = {word(p[k][0]), word(p[k][2]), word(p[k][1]), word(p[k][3])};
            const T* from = b + (k * 8 + lane % 4 * 2) * stride + lane / 4;
#pragma unroll
            for (int j = 0; j < COLUMNS; ++j) {
                if (j * 8 < columns) Multiply<M>::mma(c[j], left, word(from[j * 8]), word(from[stride + j * 8]));
            }
        }
    }
}
