// Where an element of an output stands in arrays that broadcast to it.
#pragma once
#include "dtypes.cuh"

// Parameters of a kernel: eight numbers by value, named so that only constant indices reach them, and none lands in
// local memory.
#define EIGHT(x) i64 x##0, i64 x##1, i64 x##2, i64 x##3, i64 x##4, i64 x##5, i64 x##6, i64 x##7
#define EIGHT_OF(x) {x##0, x##1, x##2, x##3, x##4, x##5, x##6, x##7}

struct Eight {
    i64 at[8];
};

// The offsets of element i in N arrays, from the last of the axes back.
template <int N>
__device__ __forceinline__ void offsets(i64 i, i64 n, i64 rank, const Eight& dims, const Eight (&strides)[N],
                                        i64 (&offset)[N]) {
#pragma unroll
    for (int k = 0; k < N; ++k) offset[k] = 0;
    // Division of 64 bits takes several times as long as of 32.
    const bool narrow = n <= 0xffffffffll;
#pragma unroll
    for (int axis = 7; axis >= 0; --axis) {
        if (axis >= rank) continue;
        i64 rest = 0;
        if (axis > 0) {
            rest = narrow ? static_cast<unsigned>(i) / static_cast<unsigned>(dims.at[axis]) : i / dims.at[axis];
        }
        const i64 at = i - rest * dims.at[axis];
        i = rest;
#pragma unroll
        for (int k = 0; k < N; ++k) offset[k] += at * strides[k].at[axis];
    }
}
