// out = whether a and b stand in a relation, element by element, with broadcasting.
#include "axes.cuh"

#define RELATION(NAME, OPERATOR)                                                    \
    struct NAME {                                                                   \
        template <class A> static __device__ __forceinline__ bool holds(A a, A b) { \
            return a OPERATOR b;                                                    \
        }                                                                           \
    };
RELATION(equal, ==)
RELATION(not_equal, !=)
RELATION(less, <)
RELATION(less_equal, <=)
RELATION(greater, >)
RELATION(greater_equal, >=)

template <class F, class T>
__device__ __forceinline__ void compare(const T* a, const T* b, bool* out, i64 n, i64 rank, const Eight& dims,
                                        const Eight (&strides)[2]) {
    if (rank == 1) {
        const i64 step_a = strides[0].at[0], step_b = strides[1].at[0];
        GRID_STRIDE(i, n) out[i] = F::holds(load(a, i * step_a), load(b, i * step_b));
    } else {
        GRID_STRIDE(i, n) {
            i64 at[2];
            offsets(i, n, dims, strides, at);
            out[i] = F::holds(load(a, at[0]), load(b, at[1]));
        }
    }
}

#define ENTRY(F, S, T)                                                                                                 \
    extern "C" __global__ void F##_fwd_##S(const T* a, const T* b, bool* out, i64 n, i64 rank, EIGHT(d), EIGHT(p),     \
                                           EIGHT(q)) {                                                                 \
        compare<F>(a, b, out, n, rank, EIGHT_OF(d), {EIGHT_OF(p), EIGHT_OF(q)});                                       \
    }

#define EACH(S, T)           \
    ENTRY(equal, S, T)       \
    ENTRY(not_equal, S, T)   \
    ENTRY(less, S, T)        \
    ENTRY(less_equal, S, T)  \
    ENTRY(greater, S, T)     \
    ENTRY(greater_equal, S, T)
ALL_TYPES(EACH)
