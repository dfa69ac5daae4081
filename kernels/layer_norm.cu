// The rows of x with mean 0 (if centred) and variance 1, times gamma, plus beta, and its backward; a null gamma or beta is
// none. A team has a row, and reads it from the cache again for each of its sums.
#include "team.cuh"

// The row's mean, 0 where it is not centred, and 1 / √(mean of (x − mean)² + epsilon).
template <class A> struct Moments {
    A mean, scale;
};

template <class T, class Team>
__device__ __forceinline__ Moments<Acc<T>> moments(Team team, const T* x, i64 count, double epsilon, int centred) {
    using A = Acc<T>;
    A mean = 0;
    if (centred) {
        TEAM_ELEMENTS(j, team, count) mean += load(x, j);
        mean = team.sum(mean) / static_cast<A>(count);
    }
    A squares = 0;
    TEAM_ELEMENTS(j, team, count) {
        const A d = load(x, j) - mean;
        squares += d * d;
    }
    squares = team.sum(squares) / static_cast<A>(count);
    return {mean, A(1) / sqrt(squares + static_cast<A>(epsilon))};
}

// out = (x - mean) * scale * gamma + beta
template <class T, class Team>
__device__ void forward(Team team, T* out, const T* x, const T* gamma, const T* beta, i64 rows, i64 count, double epsilon,
                        int centred) {
    using A = Acc<T>;
    TEAM_ROWS(row, team, rows) {
        const T* from = x + row * count;
        const auto m = moments(team, from, count, epsilon, centred);
        TEAM_ELEMENTS(j, team, count) {
            A y = (load(from, j) - m.mean) * m.scale;
            if (gamma) y *= load(gamma, j);
            if (beta) y += load(beta, j);
            store(out + row * count, j, y);
        }
    }
}

// dx = scale * (g - mean of g - n * mean of g n), with g = dy * gamma and n = (x - mean) * scale; not centred, the mean of
// g stays
template <class T, class Team>
__device__ void backward(Team team, T* dx, const T* x, const T* gamma, const T* dy, i64 rows, i64 count, double epsilon,
                         int centred) {
    using A = Acc<T>;
    TEAM_ROWS(row, team, rows) {
        const T *from = x + row * count, *upstream = dy + row * count;
        const auto m = moments(team, from, count, epsilon, centred);
        // Rounded, so that a row of one element has a gradient of exactly 0.
        const auto g = [&](i64 j) { return rounded_product(load(upstream, j), gamma ? load(gamma, j) : A(1)); };
        A sum = 0, product = 0;
        TEAM_ELEMENTS(j, team, count) {
            sum += g(j);
            product += g(j) * (load(from, j) - m.mean) * m.scale;
        }
        sum = centred ? team.sum(sum) / static_cast<A>(count) : A(0);
        product = team.sum(product) / static_cast<A>(count);
        TEAM_ELEMENTS(j, team, count) {
            const A n = (load(from, j) - m.mean) * m.scale;
            store(dx + row * count, j, m.scale * (g(j) - sum - n * product));
        }
    }
}

#define ENTRY(S, T)                                                                                                   \
    extern "C" __global__ void layer_norm_fwd_##S(T* out, const T* x, const T* gamma, const T* beta, i64 rows,        \
                                                  i64 count, double epsilon, int centred, int kind) {                 \
        WITH_TEAM(kind, [=](auto team) { forward(team, out, x, gamma, beta, rows, count, epsilon, centred); })        \
    }                                                                                                                 \
    extern "C" __global__ void layer_norm_bwd_##S(T* dx, const T* x, const T* gamma, const T* dy, i64 rows,           \
                                                  i64 count, double epsilon, int centred, int kind) {                 \
        WITH_TEAM(kind, [=](auto team) { backward(team, dx, x, gamma, dy, rows, count, epsilon, centred); })          \
    }
FLOATS(ENTRY)
