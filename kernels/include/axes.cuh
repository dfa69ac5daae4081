// Where an element of an array of several axes stands in others that are read along the same axes.
#pragma once
#include "dtypes.cuh"

// Parameters of a kernel: numbers by value, one an axis, named so that only constant indices reach them, and none lands
// in local memory.
#define FOUR(x) i64 x##0, i64 x##1, i64 x##2, i64 x##3
#define SIX(x) FOUR(x), i64 x##4, i64 x##5
#define EIGHT(x) SIX(x), i64 x##6, i64 x##7
#define FOUR_OF(x) {x##0, x##1, x##2, x##3}
#define SIX_OF(x) {x##0, x##1, x##2, x##3, x##4, x##5}
#define EIGHT_OF(x) {x##0, x##1, x##2, x##3, x##4, x##5, x##6, x##7}

template <int AXES> struct Axes {
    i64 at[AXES];
};
using Eight = Axes<8>;

// The offsets of element i of n in N arrays, from the last of the axes back; axes that are not there have the extent 1.
template <int AXES, int N>
__device__ __forceinline__ void offsets(i64 i, i64 n, const Axes<AXES>& extents, const Axes<AXES> (&strides)[N],
                                        i64 (&offset)[N]) {
#pragma unroll
    for (int k = 0; k < N; ++k) offset[k] = 0;
    // Division of 64 bits takes several times as long as of 32.
    const bool narrow = n <= 0xffffffffll;
#pragma unroll
    for (int axis = AXES - 1; axis >= 0; --axis) {
        const i64 extent = extents.at[axis];
        if (extent == 1) continue;
        i64 rest = 0;
        if (axis > 0) rest = narrow ? static_cast<unsigned>(i) / static_cast<unsigned>(extent) : i / extent;
        const i64 at = i - rest * extent;
        i = rest;
#pragma unroll
        for (int k = 0; k < N; ++k) offset[k] += at * strides[k].at[axis];
    }
}
