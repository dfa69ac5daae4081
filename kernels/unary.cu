// out[i] = f(x[i]) and dx[i] = dy[i] · f′(from[i]), where from is x or f(x): the functions of src/ops/*.rs on unary.rs.
#include "pack.cuh"

// The functions of the type that is computed in, float or double; CUDA overloads the rest.
__device__ __forceinline__ float reciprocal_exp1(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ double reciprocal_exp1(double x) { return 1.0 / (1.0 + exp(-x)); }

// ½ erfc(−x / √2), which is accurate in the left tail too.
template <class A> __device__ __forceinline__ A normal_cdf(A x) {
    return A(0.5) * erfc(x * A(-0.70710678118654752440));
}

// √(2/π) (x + 0.044715 x³)
template <class A> __device__ __forceinline__ A gelu_inner(A x) {
    return A(0.79788456080286535588) * x * (A(1) + A(0.044715) * x * x);
}

#define FUNCTION(NAME, VALUE, SLOPE)                                          \
    struct NAME {                                                             \
        template <class A> static __device__ __forceinline__ A value(A x) {   \
            return VALUE;                                                     \
        }                                                                     \
        template <class A> static __device__ __forceinline__ A slope(A x) {   \
            return SLOPE;                                                     \
        }                                                                     \
    };

// ln(1 + e^x)
template <class A> __device__ __forceinline__ A softplus_of(A x) {
    return (x > A(0) || x != x ? x : A(0)) + log1p(exp(-abs(x)));
}

// (x + √(x² + 4)) / 2, without a difference where x is negative.
template <class A> __device__ __forceinline__ A squareplus_of(A x) {
    const A root = sqrt(x * x + A(4));
    return x > A(0) ? A(0.5) * (x + root) : A(2) / (root - x);
}

// min(max(x, least), most); NaN stays
template <class A> __device__ __forceinline__ A between(A x, A least, A most) {
    return x < least ? least : x > most ? most : x;
}

// Name, value of x, slope; the slope's x is f(x) for relu, exp, sigmoid, tanh, elu, selu, softplus, log_sigmoid, softsign
// and sqrt.
FUNCTION(relu, x > A(0) || x != x ? x : A(0), x > A(0) ? A(1) : A(0))
FUNCTION(exp_, exp(x), x)
FUNCTION(sigmoid, reciprocal_exp1(x), x * (A(1) - x))
FUNCTION(tanh_, tanh(x), (A(1) - x) * (A(1) + x))
FUNCTION(elu, x > A(0) ? x : expm1(x), x > A(0) ? A(1) : x + A(1))
FUNCTION(softplus, softplus_of(x), -expm1(-x))
FUNCTION(sqrt_, sqrt(x), A(0.5) / x)
FUNCTION(silu, x * reciprocal_exp1(x), reciprocal_exp1(x) * (A(1) + x * (A(1) - reciprocal_exp1(x))))
FUNCTION(gelu, x * normal_cdf(x), normal_cdf(x) + x * (A(0.39894228040143267794) * exp(A(-0.5) * x * x)))
FUNCTION(log_, log(x), A(1) / x)
FUNCTION(sin_, sin(x), cos(x))
FUNCTION(cos_, cos(x), -sin(x))
FUNCTION(square, x * x, x + x)
FUNCTION(absolute, abs(x), x > A(0) ? A(1) : x < A(0) ? A(-1) : A(0))
FUNCTION(hard_shrink, abs(x) <= A(0.5) ? A(0) : x, abs(x) <= A(0.5) ? A(0) : A(1))
FUNCTION(hard_sigmoid, between(x * A(1.0 / 6) + A(0.5), A(0), A(1)), abs(x) < A(3) ? A(1.0 / 6) : A(0))
FUNCTION(hard_silu, x <= A(-3) ? A(0) : x >= A(3) ? x : x * (x + A(3)) * A(1.0 / 6),
         x <= A(-3) ? A(0) : x >= A(3) ? A(1) : (x + x + A(3)) * A(1.0 / 6))
FUNCTION(hard_tanh, between(x, A(-1), A(1)), abs(x) < A(1) ? A(1) : A(0))
FUNCTION(leaky_relu, x >= A(0) ? x : A(0.2) * x, x >= A(0) ? A(1) : A(0.2))
FUNCTION(log_sigmoid, -softplus_of(-x), -expm1(x))
FUNCTION(relu6, between(x, A(0), A(6)), x > A(0) && x < A(6) ? A(1) : A(0))
FUNCTION(selu, x > A(0) ? A(1.0507009873554805) * x : A(1.7580993408473766) * expm1(x),
         x > A(0) ? A(1.0507009873554805) : x + A(1.7580993408473766))
FUNCTION(soft_shrink, x - between(x, A(-0.5), A(0.5)), abs(x) <= A(0.5) ? A(0) : A(1))
FUNCTION(softsign, x / (A(1) + abs(x)), (A(1) - abs(x)) * (A(1) - abs(x)))
FUNCTION(sparse_plus, x <= A(-1) ? A(0) : x >= A(1) ? x : A(0.25) * (x + A(1)) * (x + A(1)),
         x <= A(-1) ? A(0) : x >= A(1) ? A(1) : A(0.5) * (x + A(1)))
FUNCTION(sparse_sigmoid, between(A(0.5) * (x + A(1)), A(0), A(1)), abs(x) < A(1) ? A(0.5) : A(0))
FUNCTION(squareplus, squareplus_of(x), squareplus_of(x) / sqrt(x * x + A(4)))
FUNCTION(tanh_shrink, x - tanh(x), tanh(x) * tanh(x))

struct gelu_tanh {
    template <class A> static __device__ __forceinline__ A value(A x) {
        return A(0.5) * x * (A(1) + tanh(gelu_inner(x)));
    }
    template <class A> static __device__ __forceinline__ A slope(A x) {
        const A t = tanh(gelu_inner(x));
        const A inner_slope = A(0.79788456080286535588) * (A(1) + A(3 * 0.044715) * x * x);
        return A(0.5) * (A(1) + t) * (A(1) + x * (A(1) - t) * inner_slope);
    }
};

struct mish {
    template <class A> static __device__ __forceinline__ A value(A x) { return x * tanh(softplus_of(x)); }
    template <class A> static __device__ __forceinline__ A slope(A x) {
        const A t = tanh(softplus_of(x));
        return t + x * (A(1) - t) * (A(1) + t) * reciprocal_exp1(x);
    }
};

template <class F, class T> __device__ __forceinline__ void forward(const T* x, T* out, i64 n) {
    map(x, out, n, [](Acc<T> x) { return F::value(x); });
}
template <class F, class T> __device__ __forceinline__ void backward(const T* from, const T* dy, T* dx, i64 n) {
    map(from, dy, dx, n, [](Acc<T> from, Acc<T> dy) { return dy * F::slope(from); });
}

#define ENTRIES(NAME, F, S, T)                                                                                         \
    extern "C" __global__ void NAME##_fwd_##S(const T* x, T* out, i64 n) { forward<F>(x, out, n); }                    \
    extern "C" __global__ void NAME##_bwd_##S(const T* from, const T* dy, T* dx, i64 n) { backward<F>(from, dy, dx, n); }

#define EACH(S, T)                         \
    ENTRIES(relu, relu, S, T)              \
    ENTRIES(exp, exp_, S, T)               \
    ENTRIES(sigmoid, sigmoid, S, T)        \
    ENTRIES(tanh, tanh_, S, T)             \
    ENTRIES(elu, elu, S, T)                \
    ENTRIES(softplus, softplus, S, T)      \
    ENTRIES(sqrt, sqrt_, S, T)             \
    ENTRIES(silu, silu, S, T)              \
    ENTRIES(gelu, gelu, S, T)              \
    ENTRIES(gelu_tanh, gelu_tanh, S, T)    \
    ENTRIES(log, log_, S, T)               \
    ENTRIES(sin, sin_, S, T)               \
    ENTRIES(cos, cos_, S, T)               \
    ENTRIES(square, square, S, T)          \
    ENTRIES(absolute, absolute, S, T)      \
    ENTRIES(hard_shrink, hard_shrink, S, T)\
    ENTRIES(hard_sigmoid, hard_sigmoid, S, T)\
    ENTRIES(hard_silu, hard_silu, S, T)    \
    ENTRIES(hard_tanh, hard_tanh, S, T)    \
    ENTRIES(leaky_relu, leaky_relu, S, T)  \
    ENTRIES(log_sigmoid, log_sigmoid, S, T)\
    ENTRIES(mish, mish, S, T)              \
    ENTRIES(relu6, relu6, S, T)            \
    ENTRIES(selu, selu, S, T)              \
    ENTRIES(soft_shrink, soft_shrink, S, T)\
    ENTRIES(softsign, softsign, S, T)      \
    ENTRIES(sparse_plus, sparse_plus, S, T)\
    ENTRIES(sparse_sigmoid, sparse_sigmoid, S, T)\
    ENTRIES(squareplus, squareplus, S, T)  \
    ENTRIES(tanh_shrink, tanh_shrink, S, T)
FLOATS(EACH)

// out[i] = x[i] · scale + offset
#define RESCALE(S, T)                                                                                        \
    extern "C" __global__ void rescale_fwd_##S(const T* x, T* out, i64 n, double scale, double offset) {     \
        const Acc<T> a = static_cast<Acc<T>>(scale), b = static_cast<Acc<T>>(offset);                        \
        map(x, out, n, [a, b](Acc<T> x) { return x * a + b; });                                              \
    }
FLOATS(RESCALE)

// out[i] = min(max(x[i], least), most); NaN stays
#define CLIP(S, T)                                                                                           \
    extern "C" __global__ void clip_fwd_##S(const T* x, T* out, i64 n, double least, double most) {          \
        const Acc<T> a = static_cast<Acc<T>>(least), b = static_cast<Acc<T>>(most);                          \
        map(x, out, n, [a, b](Acc<T> x) { return between(x, a, b); });                              \
    }
FLOATS(CLIP)

// out[i] = min(x, most) above threshold, else slope · (x − threshold); dx[i] = dy[i] · its slope
#define RECTIFY(S, T)                                                                                                  \
    extern "C" __global__ void rectify_fwd_##S(const T* x, T* out, i64 n, double slope_, double most_,                 \
                                               double threshold_) {                                                    \
        using A = Acc<T>;                                                                                              \
        const A slope = static_cast<A>(slope_), most = static_cast<A>(most_), threshold = static_cast<A>(threshold_);  \
        map(x, out, n, [=](A x) {                                                                                      \
            const A left = slope != A(0) ? slope * (x - threshold) : x != x ? x : A(0);                                \
            return x > threshold ? (x > most ? most : x) : left;                                                       \
        });                                                                                                            \
    }                                                                                                                  \
    extern "C" __global__ void rectify_bwd_##S(const T* x, const T* dy, T* dx, i64 n, double slope_, double most_,     \
                                               double threshold_) {                                                    \
        using A = Acc<T>;                                                                                              \
        const A slope = static_cast<A>(slope_), most = static_cast<A>(most_), threshold = static_cast<A>(threshold_);  \
        map(x, dy, dx, n, [=](A x, A dy) { return dy * (x > threshold ? (x > most ? A(0) : A(1)) : slope); });         \
    }
FLOATS(RECTIFY)
