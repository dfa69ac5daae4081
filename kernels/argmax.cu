// out[o] = the index of the largest of the `count` elements that make output o: of equals the first, of NaNs the first
// before all numbers.
//
// Element r of output o is x[(o / inner · count + r) · inner + o mod inner]. `lanes` threads, a power of two, share an
// output. Neighbouring threads are of one output where its elements are neighbours (inner = 1), else of neighbouring
// outputs.
#include "dtypes.cuh"

constexpr int THREADS = 256;

// Whether element i with the value x comes before element j with the value y. An index below 0 stands for none.
template <class A> __device__ __forceinline__ bool is_before(int i, A x, int j, A y) {
    if (i < 0 || j < 0) return j < 0;
    const bool x_is_nan = x != x, y_is_nan = y != y;
    if (x_is_nan || y_is_nan) return x_is_nan && (!y_is_nan || i < j);
    return x > y || (x == y && i < j);
}

template <class T>
__device__ __forceinline__ void argmax(const T* x, int* out, i64 outputs, i64 count, i64 inner, i64 lanes_) {
    using A = Acc<T>;
    __shared__ A values[THREADS];
    __shared__ int indices[THREADS];
    const int lanes = static_cast<int>(lanes_), tile = THREADS / lanes, t = threadIdx.x;
    const int lane = inner == 1 ? t % lanes : t / tile, column = inner == 1 ? t / lanes : t % tile;
    const int step = inner == 1 ? 1 : tile;  // to the next lane of the same output
    for (i64 first = blockIdx.x * static_cast<i64>(tile); first < outputs; first += gridDim.x * static_cast<i64>(tile)) {
        const i64 o = first + column;
        int index = -1;
        A value = A(0);
        if (o < outputs) {
            const T* from = x + (inner == 1 ? o * count : o / inner * count * inner + o % inner);
#pragma unroll 1
            for (i64 r = lane; r < count; r += lanes) {
                const A candidate = load(from, r * inner);
                if (is_before(static_cast<int>(r), candidate, index, value)) {
                    index = static_cast<int>(r);
                    value = candidate;
                }
            }
        }
        values[t] = value;
        indices[t] = index;
        __syncthreads();
        for (int half = lanes / 2; half > 0; half /= 2) {
            const int other = t + half * step;
            if (lane < half && is_before(indices[other], values[other], indices[t], values[t])) {
                indices[t] = indices[other];
                values[t] = values[other];
            }
            __syncthreads();
        }
        if (lane == 0 && o < outputs) out[o] = indices[t];
        __syncthreads();
    }
}

#define ENTRY(S, T)                                                                                       \
    extern "C" __global__ void argmax_fwd_##S(const T* x, int* out, i64 outputs, i64 count, i64 inner,    \
                                              i64 lanes) {                                                \
        argmax(x, out, outputs, count, inner, lanes);                                                     \
    }
ALL_TYPES(ENTRY)
