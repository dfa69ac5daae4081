// What all kernels share: element types, the type that arithmetic is done in, instantiation, the loop over elements.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

using f16 = __half;
using bf16 = __nv_bfloat16;
using u8 = unsigned char;
using i64 = long long;  // sizes and offsets

// The type that arithmetic on T is done in: f32 for f32, f16 and bf16, f64 for f64, T itself for integers and bool.
template <class T> struct AccOf { using type = T; };
template <> struct AccOf<f16> { using type = float; };
template <> struct AccOf<bf16> { using type = float; };
template <class T> using Acc = typename AccOf<T>::type;

// Reads p[i] for arithmetic; writes the result of arithmetic to p[i], rounded to nearest even.
template <class T> __device__ __forceinline__ Acc<T> load(const T* p, i64 i) {
    return static_cast<Acc<T>>(p[i]);
}
template <class T> __device__ __forceinline__ void store(T* p, i64 i, Acc<T> value) {
    p[i] = static_cast<T>(value);
}

// a * b, rounded, where it must cancel: of a plain product and what is then taken from it the driver's compiler makes one
// multiply-add, which leaves the product's rounding.
__device__ __forceinline__ float rounded_product(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ double rounded_product(double a, double b) { return __dmul_rn(a, b); }

// Instantiation: M(suffix, type) for each type. A kernel's entry is its name, an underscore and the suffix, which
// build.rs finds in the PTX:
//
//     #define ENTRY(S, T) extern "C" __global__ void relu_##S(T* out, const T* x, i64 n) { relu(out, x, n); }
//     FLOATS(ENTRY)
#define FLOATS(M) M(f32, float) M(f64, double) M(f16, f16) M(bf16, bf16)
#define INTS(M) M(i32, int) M(i64, i64) M(u8, u8)
#define ALL_TYPES(M) FLOATS(M) INTS(M) M(bool, bool)

// Runs its body for every i in 0..n of a one-dimensional grid of any size. Not unrolled, for that takes a 64-bit
// division before the loop: a kernel that wants several elements in flight says so itself.
#define GRID_STRIDE(i, n)                                                                                  \
    _Pragma("unroll 1") for (i64 i = blockIdx.x * static_cast<i64>(blockDim.x) + threadIdx.x,              \
                                 i##_step = gridDim.x * static_cast<i64>(blockDim.x);                      \
                             i < (n); i += i##_step)
