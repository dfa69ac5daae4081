// Elements that are loaded and stored at once, sixteen bytes of them unless told otherwise, and the loop that maps
// arrays by them.
//
// A tensor starts a block of device memory, so its elements are aligned for it.
#pragma once
#include "dtypes.cuh"

template <class T, int N = 16 / sizeof(T)> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
    static constexpr int SIZE = N;
    T at[SIZE];
};

template <class T> __device__ __forceinline__ Pack<T> load_pack(const T* p, i64 i) {
    return reinterpret_cast<const Pack<T>*>(p)[i];
}
template <class T> __device__ __forceinline__ void store_pack(T* p, i64 i, const Pack<T>& pack) {
    reinterpret_cast<Pack<T>*>(p)[i] = pack;
}

// out[i] = f(x[i]); x may be out.
template <class T, class F> __device__ __forceinline__ void map(const T* x, T* out, i64 n, F f) {
    constexpr int SIZE = Pack<T>::SIZE;
    GRID_STRIDE(i, n / SIZE) {
        Pack<T> a = load_pack(x, i);
#pragma unroll
        for (int j = 0; j < SIZE; ++j) store(a.at, j, f(load(a.at, j)));
        store_pack(out, i, a);
    }
    GRID_STRIDE(i, n % SIZE) {
        const i64 at = n - n % SIZE + i;
        store(out, at, f(load(x, at)));
    }
}

// out[i] = f(a[i], b[i]); a or b may be out.
template <class T, class F> __device__ __forceinline__ void map(const T* a, const T* b, T* out, i64 n, F f) {
    constexpr int SIZE = Pack<T>::SIZE;
    GRID_STRIDE(i, n / SIZE) {
        Pack<T> x = load_pack(a, i);
        const Pack<T> y = load_pack(b, i);
#pragma unroll
        for (int j = 0; j < SIZE; ++j) store(x.at, j, f(load(x.at, j), load(y.at, j)));
        store_pack(out, i, x);
    }
    GRID_STRIDE(i, n % SIZE) {
        const i64 at = n - n % SIZE + i;
        store(out, at, f(load(a, at), load(b, at)));
    }
}
