// The sum of a row's exponentials in one pass: Σ e^(x − top) with the largest element so far as `top` (Milakov and
// Gimelshein, Online normalizer calculation for softmax, 2018). Elements of −∞ add nothing; +∞ and NaN make it NaN.
#pragma once
#include "team.cuh"

template <class A> struct Exponentials {
    A top, total;

    __device__ __forceinline__ void add(A x) {
        if (x == -INFINITY) return;
        const A e = exp(-fabs(x - top));
        if (x > top) {
            total = total * e + (1 + (x - x));
            top = x;
        } else {
            total += e;
        }
    }
    // ln Σ e^x
    __device__ __forceinline__ A log_sum() const { return top + log(total); }
};

template <class A>
__device__ __forceinline__ Exponentials<A> merge(Exponentials<A> a, Exponentials<A> b) {
    Exponentials<A> both;
    both.top = a.top > b.top ? a.top : b.top;
    both.total = (a.top == both.top ? a.total : a.total * exp(a.top - both.top)) +
                 (b.top == both.top ? b.total : b.total * exp(b.top - both.top));
    return both;
}

template <class A> __device__ __forceinline__ Exponentials<A> shuffle_down(Exponentials<A> v, int by) {
    Exponentials<A> other;
    other.top = shuffle_down(v.top, by);
    other.total = shuffle_down(v.total, by);
    return other;
}
template <class A> __device__ __forceinline__ Exponentials<A> shuffle_first(Exponentials<A> v) {
    Exponentials<A> first;
    first.top = shuffle_first(v.top);
    first.total = shuffle_first(v.total);
    return first;
}

// Those of a row of `count` elements, `stride` apart.
template <class T, class Team>
__device__ __forceinline__ Exponentials<Acc<T>> exponentials(Team team, const T* x, i64 count, i64 stride) {
    Exponentials<Acc<T>> own = {-INFINITY, 0};
    TEAM_ELEMENTS(j, team, count) own.add(load(x, j * stride));
    return team.reduce(own, [](auto a, auto b) { return merge(a, b); });
}
