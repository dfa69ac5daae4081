// out = f(a, b) element by element, with broadcasting: the functions of src/ops/*.rs on binary.rs.
#include "broadcast.cuh"
#include "pack.cuh"

#define FUNCTION(NAME, VALUE)                                                    \
    struct NAME {                                                                \
        template <class A> static __device__ __forceinline__ A value(A a, A b) { \
            return VALUE;                                                        \
        }                                                                        \
    };

FUNCTION(add, a + b)
FUNCTION(subtract, a - b)
FUNCTION(multiply, a * b)
FUNCTION(divide, a / b)
FUNCTION(maximum, a > b || a != a ? a : b)
FUNCTION(minimum, a < b || a != a ? a : b)
FUNCTION(share, a > b ? A(1) : a == b ? A(0.5) : A(0))
FUNCTION(power, pow(a, b))
FUNCTION(power_base_slope, b == A(0) ? A(0) : b * pow(a, b - A(1)))
FUNCTION(power_exponent_slope, a == A(0) ? A(0) : pow(a, b) * log(a))
FUNCTION(broadcast_to, a)

template <class F, class T>
__device__ __forceinline__ void binary(const T* a, const T* b, T* out, i64 n, i64 rank, const Eight& dims,
                                       const Eight (&strides)[2]) {
    const auto f = [](Acc<T> a, Acc<T> b) { return F::value(a, b); };
    const i64 step_a = strides[0].at[0], step_b = strides[1].at[0];
    if (rank == 1 && step_a == 1 && step_b == 1) {
        map(a, b, out, n, f);
    } else if (rank == 1 && step_a == 1) {
        const Acc<T> y = load(b, 0);
        map(a, out, n, [f, y](Acc<T> x) { return f(x, y); });
    } else if (rank == 1 && step_b == 1) {
        const Acc<T> x = load(a, 0);
        map(b, out, n, [f, x](Acc<T> y) { return f(x, y); });
    } else {
        GRID_STRIDE(i, n) {
            i64 at[2];
            offsets(i, n, rank, dims, strides, at);
            store(out, i, f(load(a, at[0]), load(b, at[1])));
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
    ENTRY(share, S, T)                \
    ENTRY(power, S, T)                \
    ENTRY(power_base_slope, S, T)     \
    ENTRY(power_exponent_slope, S, T) \
    ENTRY(broadcast_to, S, T)
FLOATS(EACH)
