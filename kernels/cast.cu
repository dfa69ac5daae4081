// out[i] = x[i] as another type: floats to integers towards zero, saturating, NaN as 0; integers wrap; anything but 0 is
// true.
#include "dtypes.cuh"
#include <type_traits>

template <class T> constexpr bool IS_FLOAT = false;
template <> constexpr bool IS_FLOAT<float> = true;
template <> constexpr bool IS_FLOAT<double> = true;

// From float, double, int, i64, u8 or bool; to any type. The intrinsics saturate, as a cast in C++ need not.
template <class To, class A> __device__ __forceinline__ To convert(A x) {
    if constexpr (std::is_same_v<To, bool>) {
        return x != A(0);
    } else if constexpr (std::is_same_v<To, f16> || std::is_same_v<To, bf16>) {
        // By way of float, as the CPU converts.
        return static_cast<To>(static_cast<float>(x));
    } else if constexpr (IS_FLOAT<A> && !IS_FLOAT<To>) {
        if (x != x) return To(0);
        if constexpr (std::is_same_v<To, u8>) {
            return static_cast<u8>(static_cast<int>(fmin(fmax(x, A(0)), A(255))));
        } else if constexpr (std::is_same_v<To, int>) {
            if constexpr (std::is_same_v<A, float>) return __float2int_rz(x);
            else return __double2int_rz(x);
        } else {
            if constexpr (std::is_same_v<A, float>) return __float2ll_rz(x);
            else return __double2ll_rz(x);
        }
    } else {
        return static_cast<To>(x);
    }
}

template <class From, class To> __device__ __forceinline__ void cast(const From* x, To* out, i64 n) {
    // Four in flight a thread: the two types differ in width, so neither is read or written by packs.
    const i64 step = gridDim.x * static_cast<i64>(blockDim.x);
    i64 i = blockIdx.x * static_cast<i64>(blockDim.x) + threadIdx.x;
#pragma unroll 1
    for (; i + 3 * step < n; i += 4 * step) {
        To values[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) values[j] = convert<To>(load(x, i + j * step));
#pragma unroll
        for (int j = 0; j < 4; ++j) out[i + j * step] = values[j];
    }
#pragma unroll 1
    for (; i < n; i += step) out[i] = convert<To>(load(x, i));
}

#define ENTRY(FROM, A, S, T) \
    extern "C" __global__ void cast_##FROM##_to_##S(const A* x, T* out, i64 n) { cast(x, out, n); }
#define F32(S, T) ENTRY(f32, float, S, T)
#define F64(S, T) ENTRY(f64, double, S, T)
#define F16(S, T) ENTRY(f16, f16, S, T)
#define BF16(S, T) ENTRY(bf16, bf16, S, T)
#define I32(S, T) ENTRY(i32, int, S, T)
#define I64(S, T) ENTRY(i64, i64, S, T)
#define U8(S, T) ENTRY(u8, u8, S, T)
#define BOOL(S, T) ENTRY(bool, bool, S, T)
ALL_TYPES(F32)
ALL_TYPES(F64)
ALL_TYPES(F16)
ALL_TYPES(BF16)
ALL_TYPES(I32)
ALL_TYPES(I64)
ALL_TYPES(U8)
ALL_TYPES(BOOL)
