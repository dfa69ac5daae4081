// out = f(a, b) element by element, with broadcasting: the functions of src/ops/*.rs on binary.rs.
#include "axes.cuh"
#include "pack.cuh"

#define FUNCTION(NAME, PACKS, VALUE)                                             \
    struct NAME {                                                                \
        static constexpr bool IN_PACKS = PACKS;                                  \
        template <class A> static __device__ __forceinline__ A value(A a, A b) { \
            return VALUE;                                                        \
        }                                                                        \
    };

FUNCTION(add, true, a + b)
FUNCTION(subtract, true, a - b)
FUNCTION(multiply, true, a * b)
FUNCTION(divide, true, a / b)
FUNCTION(maximum, true, a > b || a != a ? a : b)
FUNCTION(minimum, true, a < b || a != a ? a : b)
FUNCTION(maximum_slope, true, a > b ? A(1) : a == b ? A(0.5) : A(0))
// A power takes a hundred instructions: eight of them side by side would gain nothing and fill the module.
FUNCTION(power, false, pow(a, b))
FUNCTION(power_base_slope, false, b == A(0) ? A(0) : b * pow(a, b - A(1)))
FUNCTION(power_exponent_slope, false, a == A(0) ? A(0) : pow(a, b) * log(a))

template <class F, class T>
__device__ __forceinline__ void binary(const T* a, const T* b, T* out, i64 n, i64 rank, const Eight& dims,
                                       const Eight (&strides)[2]) {
    if (F::IN_PACKS && rank == 1 && strides[0].at[0] == 1 && strides[1].at[0] == 1) {
        map(a, b, out, n, [](Acc<T> a, Acc<T> b) { return F::value(a, b); });
    } else {
        GRID_STRIDE(i, n) {
            i64 at[2];
            offsets(i, n, dims, strides, at);
            store(out, i, F::value(load(a, at[0]), load(b, at[1])));
        }
    }
}

#define ENTRY(F, S, T)                                                                                                 \
    extern "C" __global__ void F##_fwd_##S(const T* a, const T* b, T* out, i64 n, i64 rank, EIGHT(d), EIGHT(p),        \
                                           EIGHT(q)) {                                                                 \
        binary<F>(a, b, out, n, rank, EIGHT_OF(d), {EIGHT_OF(p), EIGHT_OF(q)});                                        \
    }

#define EACH(S, T)                    \
    ENTRY(add, S, T)                  \
    ENTRY(subtract, S, T)             \
    ENTRY(multiply, S, T)             \
    ENTRY(divide, S, T)               \
    ENTRY(maximum, S, T)              \
    ENTRY(minimum, S, T)              \
    ENTRY(maximum_slope, S, T)        \
    ENTRY(power, S, T)                \
    ENTRY(power_base_slope, S, T)     \
    ENTRY(power_exponent_slope, S, T)
FLOATS(EACH)
