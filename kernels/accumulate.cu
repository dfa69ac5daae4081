// out[i] = a[i] + b[i]
#include "pack.cuh"

#define ENTRY(S, T)                                                                    \
    extern "C" __global__ void accumulate_##S(const T* a, const T* b, T* out, i64 n) { \
        map(a, b, out, n, [](Acc<T> a, Acc<T> b) { return a + b; });                   \
    }
FLOATS(ENTRY)
