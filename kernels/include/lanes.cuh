// N neighbouring elements, loaded and stored at once.
#pragma once
#include "dtypes.cuh"

template <class T, int N> struct alignas(sizeof(T) * N) Lanes {
    T at[N];
};
template <int N, class T> __device__ __forceinline__ Lanes<T, N>& lanes(T* p, i64 i) {
    return reinterpret_cast<Lanes<T, N>*>(p)[i];
}
template <int N, class T> __device__ __forceinline__ Lanes<T, N> lanes(const T* p, i64 i) {
    return reinterpret_cast<const Lanes<T, N>*>(p)[i];
}
